import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { type HttpAgentOptions, httpAgent } from '../../src/http/agent.ts'
import { sendRequest } from '../../src/http/send-request.ts'
import {
  CERTIFICATE,
  freePort,
  listen,
  startServer,
  startTlsServer,
  TLS,
} from '../support/local-server.ts'
import { startProxy } from '../support/proxy-server.ts'
import { isOnReusedConnection } from '../support/stale-connections.ts'
import { until } from '../support/wait.ts'

/** A function that sends GET requests through proxies. */
function sender(t: Test, options: HttpAgentOptions) {
  const dispatcher = httpAgent({ ca: CERTIFICATE, ...options })
  t.teardown(() => dispatcher.destroy())
  return (url: string, timeoutMs = 10_000) =>
    sendRequest(url, { method: 'GET', headers: {}, timeoutMs, dispatcher })
}

const servers: [scheme: 'http' | 'https', start: typeof startServer][] = [
  ['http', startServer],
  ['https', startTlsServer],
]

for (const [scheme, start] of servers) {
  t.test(`sends ${scheme} requests through the proxy, with its credentials`, async (t) => {
    const proxy = await startProxy(t)
    const headers: unknown[] = []
    const origin = await start(t, (request, response) => {
      headers.push(request.headers['proxy-authorization'])
      response.end(`answer to ${request.url}`)
    })
    const send = sender(t, { proxies: { [scheme]: `http://us%20er:p%40ss@${proxy.host}` } })
    t.equal((await send(`${origin}/a?b`)).body, 'answer to /a?b')
    t.strictSame(proxy.requests, [
      scheme === 'https' ? `CONNECT ${new URL(origin).host}` : `GET ${origin}/a?b`,
    ])
    t.strictSame(proxy.authorizations, [`Basic ${btoa('us er:p@ss')}`])
    t.strictSame(headers, [undefined], 'the credentials end at the proxy')
  })

  t.test(`limits the size of a response to an ${scheme} request through the proxy`, async (t) => {
    const proxy = await startProxy(t)
    const origin = await start(t, (_, response) => response.end('x'.repeat(1024 * 1024 + 1)))
    const send = sender(t, { proxies: { [scheme]: proxy.url } })
    await t.rejects(send(origin), { name: 'UnreadableResponseError' })
    t.equal(proxy.requests.length, 1)
  })

  t.test(`names a proxy that cannot be reached for an ${scheme} request`, async (t) => {
    const host = `127.0.0.1:${await freePort()}`
    const send = sender(t, { proxies: { [scheme]: `http://user:password@${host}` } })
    await t.rejects(send(`${scheme}://cdf.example/`), {
      name: 'ProxyError',
      message: `proxy ${host} unreachable: ECONNREFUSED`,
    })
    const lost = sender(t, { proxies: { [scheme]: 'http://user:password@proxy.invalid:3128' } })
    await t.rejects(lost(`${scheme}://cdf.example/`), {
      name: 'ProxyError',
      message: /^proxy proxy\.invalid:3128 unreachable: E\w+$/,
    })
  })
}

t.test('repeats a request once on a new connection if the one to the proxy was lost', async (t) => {
  const proxy = await startProxy(t)
  const origin = await startServer(t, (_, response) => response.end('good'))
  const send = sender(t, { connections: 1, proxies: { http: proxy.url } })
  proxy.behavior = 'forward once'
  t.equal((await send(origin)).body, 'good')
  t.equal((await send(origin)).body, 'good')
  t.equal(proxy.requests.length, 3)
})

t.test('repeats a request once in a new tunnel if its tunnel was reset', async (t) => {
  const proxy = await startProxy(t)
  const origin = await startTlsServer(t, (request, response) => {
    if (!isOnReusedConnection(request)) return response.end('good')
    for (const tunnel of proxy.tunnels) tunnel.resetAndDestroy()
  })
  const send = sender(t, { connections: 1, proxies: { https: proxy.url } })
  t.equal((await send(origin)).body, 'good')
  t.equal((await send(origin)).body, 'good')
  t.equal(proxy.requests.length, 2)
})

t.test('names the status with which the proxy refuses', async (t) => {
  const proxy = await startProxy(t)
  const url = `http://user:password@${proxy.host}`
  const send = sender(t, { proxies: { https: url, http: url } })
  for (const status of [407, 403, 502, 204]) {
    proxy.behavior = status
    await t.rejects(send('https://cdf.example/'), {
      name: 'ProxyError',
      message: `proxy answered CONNECT with status ${status}`,
    })
  }
  proxy.behavior = 407
  await t.rejects(send('http://cdf.example/'), {
    name: 'ProxyError',
    message: 'proxy answered with status 407',
  })
  proxy.behavior = 'close'
  await t.rejects(send('https://cdf.example/'), {
    name: 'ProxyError',
    message: `proxy ${proxy.host} unreachable: UND_ERR_SOCKET`,
  })
})

t.test('does not wait long for a tunnel, and opens another one for the next request', async (t) => {
  const proxy = await startProxy(t)
  const origin = await startTlsServer(t, (_, response) => response.end('good'))
  const proxies = { https: proxy.url }
  const send = sender(t, { proxies, connections: 1, tunnelTimeoutMs: 50 })
  proxy.behavior = 'hang'
  await t.rejects(send(origin), {
    name: 'ProxyError',
    message: `proxy ${proxy.host} unreachable: TimeoutError`,
  })
  proxy.behavior = 'forward'
  await until(async () => (await send(origin).catch(() => undefined))?.body === 'good')
})

t.test('does not wait long for a TLS handshake in a tunnel', async (t) => {
  const proxy = await startProxy(t)
  // It accepts the connection and says nothing.
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  const port = await listen(t, server)
  // Long enough for the tunnel on a busy machine.
  const send = sender(t, { proxies: { https: proxy.url }, tunnelTimeoutMs: 500 })
  await t.rejects(send(`https://localhost:${port}/`, 8_000), { code: 'UND_ERR_CONNECT_TIMEOUT' })
})

t.test('uses one tunnel for several requests', async (t) => {
  const proxy = await startProxy(t)
  const origin = await startTlsServer(t, (_, response) => response.end('good'))
  const send = sender(t, { connections: 1, proxies: { https: proxy.url } })
  await send(origin)
  await send(origin)
  t.equal(proxy.requests.length, 1)
})

t.test('speaks HTTP/1.1 through the proxy, also to a server that offers HTTP/2', async (t) => {
  const proxy = await startProxy(t)
  const server = createSecureServer({
    allowHTTP1: true,
    ...TLS,
  })
  server.on('request', (request, response) => response.end(request.httpVersion))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const send = sender(t, { proxies: { https: proxy.url } })
  const { port } = server.address() as AddressInfo
  t.equal((await send(`https://localhost:${port}/`)).body, '1.1')
  for (const tunnel of proxy.tunnels) tunnel.destroy()
})

t.test('uses a proxy with TLS', async (t) => {
  const proxy = await startProxy(t, 'https')
  const send = sender(t, { proxies: { http: proxy.url, https: proxy.url } })
  for (const [, start] of servers) {
    const origin = await start(t, (_, response) => response.end('good'))
    t.equal((await send(origin)).body, 'good')
  }
  t.equal(proxy.requests.length, 2)
})

t.test('rejects a certificate that is not trusted, also through the proxy', async (t) => {
  const proxy = await startProxy(t)
  const origin = await startTlsServer(t, (_, response) => response.end('good'))
  const send = sender(t, { ca: undefined, proxies: { https: proxy.url } })
  await t.rejects(send(origin), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(proxy.requests.length, 1)
})

t.test(
  'uses the proxy of the scheme; the one for http also for https if it is alone',
  async (t) => {
    const [forHttp, forHttps] = [await startProxy(t), await startProxy(t)]
    for (const proxy of [forHttp, forHttps]) proxy.behavior = 500
    const [http, https] = [forHttp.url, forHttps.url]
    const both = sender(t, { proxies: { http, https } })
    await both('http://cdf.example/')
    await both('https://cdf.example/').catch(() => {})
    t.strictSame(forHttp.requests, ['GET http://cdf.example/'])
    t.strictSame(forHttps.requests, ['CONNECT cdf.example:443'])

    const httpOnly = sender(t, { proxies: { http } })
    await httpOnly('https://cdf.example/').catch(() => {})
    t.equal(forHttp.requests.at(-1), 'CONNECT cdf.example:443')

    const origin = await startServer(t, (_, response) => response.end('direct'))
    // The service reads its own environment; undici must not read that of the process.
    process.env.HTTP_PROXY = http
    process.env.NO_PROXY = '*'
    t.teardown(() => {
      delete process.env.HTTP_PROXY
      delete process.env.NO_PROXY
    })
    const httpsOnly = sender(t, { proxies: { https } })
    await httpsOnly('https://cdf.example/').catch(() => {})
    t.equal(forHttps.requests.length, 2)
    t.equal((await httpsOnly(origin)).body, 'direct')
  },
)

const exceptions: [exceptions: string, url: string, isProxied: boolean][] = [
  ['', 'http://cdf.example/', true],
  ['*', 'http://cdf.example/', false],
  ['other.example, cdf.example', 'http://cdf.example/', false],
  ['other.example cdf.example', 'http://cdf.example/', false],
  ['CDF.example', 'http://cdf.EXAMPLE/', false],
  ['cdf.example', 'http://westeurope-1.cdf.example/', false],
  ['.corp.example', 'http://idp.corp.example/', false],
  ['.corp.example', 'http://corp.example/', false],
  ['.corp.example', 'http://notcorp.example/', true],
  ['corp.example', 'http://notcorp.example/', true],
  ['*.corp.example', 'http://idp.corp.example/', false],
  ['*.corp.example', 'http://corp.example/', true],
  ['cdf.example:80', 'http://cdf.example/', false],
  ['cdf.example:8080', 'http://cdf.example/', true],
  ['cdf.example:8080', 'http://cdf.example:8080/', false],
  ['example', 'http://cdf.example.other/', true],
  ['10.0.0.0/8', 'http://10.0.0.1/', true],
]
for (const [list, url, isProxied] of exceptions) {
  t.test(
    `${isProxied ? 'uses' : 'does not use'} the proxy for ${url} with NO_PROXY=${list}`,
    async (t) => {
      const proxy = await startProxy(t)
      proxy.behavior = 500
      const send = sender(t, { proxies: { http: proxy.url, exceptions: list } })
      // Without the proxy, the name is not found, or is looked up for too long.
      const answer = await send(url, isProxied ? 10_000 : 200).catch(() => undefined)
      t.equal(answer?.status, isProxied ? 500 : undefined)
      t.equal(proxy.requests.length, isProxied ? 1 : 0)
    },
  )
}
