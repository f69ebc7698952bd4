import type { Test } from 'tap'
import t from 'tap'
import { httpAgent } from '../../src/http/agent.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import { CERTIFICATE, startServer, startTlsServer } from '../support/local-server.ts'
import { answeringOnce, endConnection, type Loss } from '../support/stale-connections.ts'

/** A function that sends requests through one pooled connection. */
function sender(t: Test, origin: string) {
  const dispatcher = httpAgent({ connections: 1, ca: CERTIFICATE })
  t.teardown(() => dispatcher.destroy())
  return (method: 'GET' | 'POST' = 'GET', signal?: AbortSignal) =>
    sendRequest(`${origin}/`, {
      method,
      headers: {},
      ...(method === 'POST' && { body: 'a=b' }),
      signal,
      dispatcher,
    })
}

const losses: [scheme: string, start: typeof startServer, loss: Loss][] = [
  ['http', startServer, 'reset'],
  ['http', startServer, 'closed'],
  ['https', startTlsServer, 'closed'],
]
for (const [scheme, start, loss] of losses) {
  for (const method of ['GET', 'POST'] as const) {
    t.test(
      `repeats a ${method} whose pooled ${scheme} connection is ${loss}, once, on a new connection`,
      async (t) => {
        const received: [connection: string | undefined, body: string][] = []
        const answer = answeringOnce((_request, response) => response.end('good'), loss)
        const origin = await start(t, async (request, response) => {
          let body = ''
          for await (const chunk of request) body += chunk
          received.push([request.headers.connection, body])
          answer(request, response)
        })
        const send = sender(t, origin)
        await send(method)
        t.equal((await send(method)).body, 'good')
        const body = method === 'POST' ? 'a=b' : ''
        t.strictSame(received, [
          ['keep-alive', body],
          ['keep-alive', body],
          ['close', body],
        ])
      },
    )
  }
}

t.test('does not repeat a request whose first connection is lost', async (t) => {
  let requests = 0
  const origin = await startServer(t, (request) => {
    requests += 1
    endConnection(request, 'reset')
  })
  await t.rejects(sender(t, origin)(), { code: 'ECONNRESET' })
  t.equal(requests, 1)
})

t.test('does not repeat a request whose response has begun', async (t) => {
  let requests = 0
  const answer = answeringOnce((_, response) => response.end(), 'closed in the status line')
  const origin = await startServer(t, (request, response) => {
    requests += 1
    answer(request, response)
  })
  const send = sender(t, origin)
  await send()
  await t.rejects(send(), { code: 'UND_ERR_SOCKET' })
  t.equal(requests, 2)
})

t.test('repeats a request once only, also if the new connection is lost too', async (t) => {
  let requests = 0
  const origin = await startServer(t, (request, response) => {
    requests += 1
    if (requests === 1) response.end()
    else endConnection(request, 'reset')
  })
  const send = sender(t, origin)
  await send()
  await t.rejects(send(), { code: 'ECONNRESET' })
  t.equal(requests, 3)
})

t.test('does not repeat an aborted request, whatever the reason of its signal is', async (t) => {
  let requests = 0
  let onSecond = () => {}
  const origin = await startServer(t, (_, response) => {
    requests += 1
    if (requests === 1) response.end()
    else onSecond()
  })
  const send = sender(t, origin)
  for (const reason of [new Error('aborted'), 'aborted']) {
    requests = 0
    await send()
    const abort = new AbortController()
    onSecond = () => abort.abort(reason)
    await t.rejects(send('GET', abort.signal))
    t.equal(requests, 2)
  }
})
