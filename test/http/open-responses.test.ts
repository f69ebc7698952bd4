import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { trackOpenResponses } from '../../src/http/open-responses.ts'
import { until } from '../support/wait.ts'

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A server that leaves all responses open, and a connection to it. */
async function start(t: Test, maxOpen: number) {
  const responses: ServerResponse[] = []
  const aborted: ServerResponse[] = []
  const server = createServer((_request, response) => responses.push(response))
  const oldestOpen = trackOpenResponses(server, {
    maxOpen,
    onAbort: (response) => aborted.push(response),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => {})
  t.teardown(() => {
    client.destroy()
    server.close()
    server.closeAllConnections()
  })
  const [socket] = (await accepted) as [Socket]
  return { responses, aborted, oldestOpen, client, socket }
}

t.test('returns the oldest open response of a connection', async (t) => {
  const { responses, oldestOpen, client, socket } = await start(t, 3)
  t.equal(oldestOpen(socket), undefined)
  client.write(REQUEST.repeat(3))
  await until(() => responses.length === 3)
  t.equal(oldestOpen(socket), responses[0])
  responses[0]?.end()
  await until(() => responses[0]?.writableFinished === true)
  t.equal(oldestOpen(socket), responses[1])
  for (const response of responses) response.end()
  await until(() => responses[2]?.writableFinished === true)
  t.equal(oldestOpen(socket), undefined)
})

t.test('closes a connection with too many open responses', async (t) => {
  const { responses, client, socket } = await start(t, 3)
  client.write(REQUEST.repeat(3))
  await until(() => responses.length === 3)
  t.notOk(socket.destroyed)
  client.write(REQUEST)
  await once(client, 'close')
  t.ok(socket.destroyed)
})

t.test('counts open responses only', async (t) => {
  const { responses, client, socket } = await start(t, 3)
  client.resume()
  for (let number = 0; number < 100; number += 1) {
    client.write(REQUEST)
    await until(() => responses.length === number + 1)
    // Two are always open.
    const previous = responses[number - 2]
    previous?.end()
    await until(() => previous?.writableFinished !== false)
  }
  t.notOk(socket.destroyed)
})

t.test('reports the responses that were open when their connection closed', async (t) => {
  const { responses, aborted, client } = await start(t, 3)
  client.resume()
  client.write(REQUEST.repeat(3))
  await until(() => responses.length === 3)
  responses[0]?.end()
  await until(() => responses[0]?.writableFinished === true)
  t.strictSame(aborted, [])
  client.destroy()
  await until(() => aborted.length > 0)
  t.equal(aborted.length, 2)
  t.ok(aborted.every((response, index) => response === responses[index + 1]))
})
