import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { httpAgent } from '../../src/http/agent.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import { until } from '../support/wait.ts'

const pem = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url))

t.test('speaks HTTP/1.1 over TLS, also to a server that offers HTTP/2', async (t) => {
  const versions: string[] = []
  const server = createSecureServer({
    allowHTTP1: true,
    key: pem('localhost-key.pem'),
    cert: pem('localhost-certificate.pem'),
  })
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    versions.push(request.httpVersion)
    response.end('good')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dispatcher = httpAgent({ ca: pem('localhost-certificate.pem').toString() })
  t.teardown(async () => {
    await dispatcher.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const answer = await sendRequest(`https://127.0.0.1:${port}/`, {
    method: 'GET',
    headers: {},
    signal: AbortSignal.timeout(5000),
    dispatcher,
  })
  t.match(answer, { status: 200 })
  t.equal(answer.body, 'good')
  t.strictSame(versions, ['1.1'])
})

/** A server whose responses the test sends, and an agent with one connection. */
async function startSlow(t: Test) {
  const open: { path: string; response: ServerResponse }[] = []
  const server = createServer(({ url = '' }, response) => open.push({ path: url, response }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dispatcher = httpAgent({ connections: 1 })
  t.teardown(async () => {
    await dispatcher.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const ask = (path: string, limits: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    sendRequest(`http://127.0.0.1:${port}${path}`, {
      method: 'GET',
      headers: {},
      dispatcher,
      ...limits,
    })
  return { open, ask }
}

t.test('reads a body that arrives in pieces', async (t) => {
  const { open, ask } = await startSlow(t)
  const asked = ask('/')
  await until(() => open.length === 1)
  open[0]?.response.writeProcessing()
  open[0]?.response.write('one, ')
  open[0]?.response.end('two')
  const { status, body } = await asked
  t.equal(status, 200)
  t.equal(body, 'one, two')
})

t.test('rejects with the reason of its signal, and removes its listener', async (t) => {
  const { open, ask } = await startSlow(t)
  const abort = new AbortController()
  const asked = ask('/', { signal: abort.signal })
  await until(() => open.length === 1)
  const gone = new Promise((resolve) => open[0]?.response.once('close', resolve))
  const reason = new Error('aborted')
  abort.abort(reason)
  await t.rejects(asked, reason)
  t.equal(getEventListeners(abort.signal, 'abort').length, 0)
  await gone
  await t.rejects(ask('/', { signal: abort.signal }), reason, 'also if it was aborted before')
  t.equal(open.length, 1)
})

t.test('fails with a TimeoutError after timeoutMs', async (t) => {
  const { ask } = await startSlow(t)
  await t.rejects(ask('/', { timeoutMs: 50 }), { name: 'TimeoutError' })
})

t.test('does not send an aborted request that waited for a connection', async (t) => {
  const { open, ask } = await startSlow(t)
  const first = ask('/first')
  await until(() => open.length === 1)
  const abort = new AbortController()
  const second = ask('/second', { signal: abort.signal })
  abort.abort(new Error('aborted'))
  await t.rejects(second, { message: 'aborted' }, 'at once, although the connection is in use')
  open[0]?.response.end('good')
  t.equal((await first).status, 200)
  const third = ask('/third')
  await until(() => open.length === 2)
  open[1]?.response.end('good')
  await third
  t.strictSame(
    open.map(({ path }) => path),
    ['/first', '/third'],
  )
})
