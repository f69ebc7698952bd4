import { once } from 'node:events'
import { createServer } from 'node:http'
import { mock } from 'node:test'
import t from 'tap'
import { httpAgent } from '../../src/http/agent.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import { listen } from '../support/local-server.ts'
import { settle } from '../support/wait.ts'

t.test(
  'closes a connection that has been idle for 30 s, even if the server allows 600 s',
  async (t) => {
    const server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => response.end())
    const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'))
    const url = `http://127.0.0.1:${await listen(t, server)}/`
    const dispatcher = httpAgent()
    t.teardown(() => dispatcher.destroy())
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    const { headers } = await sendRequest(url, { method: 'GET', headers: {}, dispatcher })
    t.equal(headers['keep-alive'], 'timeout=600')
    // undici sets its timer after the response.
    await settle()
    mock.timers.tick(30_000)
    t.ok(await closed)
  },
)
