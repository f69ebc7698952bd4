import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer, request as sendRequest } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listen, TLS } from './local-server.ts'
import { endConnection, isOnReusedConnection } from './stale-connections.ts'

/** An HTTP proxy on a free loopback port. */
export interface TestProxy {
  url: string
  /** Host and port. */
  host: string
  /** The requests, such as `CONNECT idp.example:443` or `GET http://cdf.example/`. */
  requests: string[]
  /** The values of `proxy-authorization`. */
  authorizations: (string | undefined)[]
  /**
   * What it does with requests; the test can change it. A number is the status of its answer. `forward once`: it resets
   * a connection at its second request.
   */
  behavior: 'forward' | 'forward once' | 'hang' | 'close' | number
  /** The open connections of tunnels. */
  tunnels: Set<Socket>
}

/**
 * Starts a proxy for CONNECT and for requests in absolute form. It stops at the end of the test.
 * @param scheme of the connections to the proxy
 */
export async function startProxy(t: Test, scheme: 'http' | 'https' = 'http'): Promise<TestProxy> {
  const proxy: TestProxy = {
    url: '',
    host: '',
    requests: [],
    authorizations: [],
    behavior: 'forward',
    tunnels: new Set(),
  }
  const record = ({ method, url, headers }: IncomingMessage) => {
    proxy.requests.push(`${method} ${url}`)
    proxy.authorizations.push(headers['proxy-authorization'])
  }
  const onRequest: RequestListener = (request, response) => {
    record(request)
    const { behavior } = proxy
    if (behavior === 'hang') return
    if (behavior === 'close') return request.socket.destroy()
    if (behavior === 'forward once' && isOnReusedConnection(request))
      return endConnection(request, 'reset')
    if (typeof behavior === 'number')
      return response.writeHead(behavior).end('the text of the proxy'.repeat(1000))
    const { 'proxy-authorization': _, ...headers } = request.headers
    const forwarded = sendRequest(request.url ?? '', { method: request.method, headers }, (from) =>
      from.pipe(response.writeHead(from.statusCode ?? 0, from.headers)),
    )
    forwarded.on('error', () => response.writeHead(502).end())
    request.pipe(forwarded)
  }
  const server = scheme === 'https' ? createTlsServer(TLS, onRequest) : createServer(onRequest)
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    record(request)
    const { behavior } = proxy
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    if (behavior === 'hang') return
    if (behavior === 'close') return socket.destroy()
    if (typeof behavior === 'number')
      return socket.end(`HTTP/1.1 ${behavior} the text of the proxy\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const target = connect(Number(port || 80), hostname, () => {
      proxy.tunnels.add(socket)
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    target.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    socket.on('close', () => {
      proxy.tunnels.delete(socket)
      target.destroy()
    })
  })
  proxy.host = `localhost:${await listen(t, server)}`
  proxy.url = `${scheme}://${proxy.host}`
  return proxy
}
