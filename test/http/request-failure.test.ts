import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo, LookupFunction } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import { toRequestFailure } from '../../src/http/request-failure.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import { certificateText } from '../support/fixtures.ts'
import { freePort, startServer } from '../support/local-server.ts'

/** Why a request to a URL fails. */
async function failureOf(t: Test, url: string, timeoutMs = 5_000, options: Agent.Options = {}) {
  const dispatcher = new Agent(options)
  t.teardown(() => dispatcher.destroy())
  const request = { method: 'GET', headers: {}, timeoutMs, dispatcher } as const
  const error: unknown = await sendRequest(url, request).catch((error: unknown) => error)
  return toRequestFailure(url, error)
}

/** Starts an HTTPS server with a certificate. */
async function startHttps(t: Test, certificate: 'localhost' | 'expired'): Promise<string> {
  const server = createServer(
    { key: certificateText('localhost-key'), cert: certificateText(certificate) },
    (_request, response) => response.end(),
  )
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('names host, port and code of a refused connection', async (t) => {
  const port = await freePort()
  t.match(await failureOf(t, `http://127.0.0.1:${port}/path?secret`), {
    message: `connection to 127.0.0.1:${port} failed: ECONNREFUSED`,
    code: 'ECONNREFUSED',
  })
})

t.test('names the address that was tried, if the host is a name', async (t) => {
  const port = await freePort()
  const { message } = await failureOf(t, `http://localhost:${port}`)
  t.match(message, /^connection to localhost:\d+ failed: ECONNREFUSED \((127\.0\.0\.1|::1):\d+\)$/)
})

t.test('names a host that DNS does not know, with the default port', async (t) => {
  // The real lookup takes seconds without a network.
  const lookup: LookupFunction = (hostname, _options, callback) =>
    callback(Object.assign(new Error('text'), { code: 'ENOTFOUND', hostname }), '')
  const options = { connect: { lookup } }
  t.match(await failureOf(t, 'https://idp.invalid/path', 5_000, options), {
    message: 'connection to idp.invalid:443 failed: ENOTFOUND',
  })
})

t.test('names the code of a certificate that is not trusted', async (t) => {
  const host = await startHttps(t, 'localhost')
  t.match(await failureOf(t, `https://${host}`), {
    message: `connection to ${host} failed: DEPTH_ZERO_SELF_SIGNED_CERT`,
  })
})

t.test('names the code of an expired certificate', async (t) => {
  const host = await startHttps(t, 'expired')
  const connect = { ca: certificateText('expired') }
  t.match(await failureOf(t, `https://${host}`, 5_000, { connect }), {
    message: `connection to ${host} failed: CERT_HAS_EXPIRED`,
  })
})

t.test('names a lost connection', async (t) => {
  const url = await startServer(t, ({ socket }) => socket.resetAndDestroy())
  t.match(await failureOf(t, url), {
    message: /^connection to 127\.0\.0\.1:\d+ failed: (ECONNRESET|UND_ERR_SOCKET)$/,
  })
})

t.test('says that a response did not arrive in time', async (t) => {
  const url = await startServer(t, () => {})
  t.match(await failureOf(t, url, 20), {
    message: `${new URL(url).host} did not respond in time`,
    code: 'TimeoutError',
  })
})

t.test('says that a response is not readable', async (t) => {
  const url = await startServer(t, (_request, response) =>
    response.writeHead(200, { 'content-encoding': 'secret' }).end('x'),
  )
  t.match(await failureOf(t, url), {
    message: `the response of ${new URL(url).host} is not readable: the content encoding is unknown`,
  })
})

t.test('names the first of several addresses', async (t) => {
  const refused = Object.assign(new Error('text'), { address: '::1', port: 8443 })
  const error = Object.assign(new AggregateError([refused]), { code: 'ECONNREFUSED' })
  t.match(toRequestFailure('https://idp.example', error), {
    message: 'connection to idp.example:443 failed: ECONNREFUSED (::1:8443)',
  })
})

t.test('names no text of an error', async (t) => {
  t.match(toRequestFailure('https://idp.example', new Error('secret')), {
    message: 'connection to idp.example:443 failed: Error',
  })
  t.match(toRequestFailure('https://idp.example', 'secret'), {
    message: 'connection to idp.example:443 failed: Error',
  })
})
