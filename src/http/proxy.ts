import { type Agent, type buildConnector, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import { errorCodeOrName } from '../telemetry/error-serializer.ts'

/** The outbound proxies. Their URLs can hold credentials. */
export interface Proxies {
  /** For `https:` URLs; default: `http`. */
  https?: string | undefined
  /** For `http:` URLs; default: none. */
  http?: string | undefined
  /** Hosts that are reached without a proxy, in the syntax of `NO_PROXY`. */
  exceptions?: string | undefined
}

/** A failure of the outbound proxy. Its message is for the log; it has no credentials and no text of the proxy. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/**
 * An agent that uses proxies: CONNECT for `https:` URLs, requests in absolute form for `http:` URLs.
 * @param tunnelTimeoutMs limit for CONNECT, and for the TLS handshake after it. undici has none for CONNECT, and would let
 *   all requests wait for a proxy that did not answer once.
 * @see https://undici.nodejs.org/#/docs/api/EnvHttpProxyAgent
 */
export function proxyAgent(
  proxies: Proxies,
  options: Agent.Options & { connect: buildConnector.BuildOptions },
  tunnelTimeoutMs: number,
): Dispatcher {
  const forwardProxy = proxies.http && new URL(proxies.http).href
  return new EnvHttpProxyAgent({
    ...options,
    // Without these members, undici would read the environment.
    httpsProxy: proxies.https ?? '',
    httpProxy: proxies.http ?? '',
    noProxy: proxies.exceptions ?? '',
    proxyTls: options.connect,
    requestTls: { ...options.connect, timeout: tunnelTimeoutMs },
    clientFactory: (proxy, own) => tunnelPool(proxy, own, tunnelTimeoutMs),
    // undici passes only `connect` for the pool of connections to a proxy for `http:` URLs.
    factory: (origin, own: Pool.Options) =>
      new Pool(origin, {
        ...options,
        ...own,
        ...(String(origin) === forwardProxy && { connect: connectToProxy(forwardProxy, own) }),
      }),
  })
}

/** The connections to a proxy on which undici opens tunnels. */
function tunnelPool(proxy: URL, options: Pool.Options, timeoutMs: number): Dispatcher {
  const pool = new Pool(proxy, options)
  const connect = pool.connect.bind(pool)
  return Object.assign(pool, {
    connect: async (request: Dispatcher.ConnectOptions) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await connect({ ...request, signal }).catch((error: unknown) => {
        throw unreachable(proxy, error)
      })
      if (response.statusCode === 200) return response
      response.socket.on('error', () => {}).destroy()
      throw new ProxyError(`proxy answered CONNECT with status ${response.statusCode}`)
    },
  })
}

function connectToProxy(proxy: string, { connect }: Pool.Options): buildConnector.connector {
  return (options, callback) =>
    (connect as buildConnector.connector)(options, (...[error, socket]) =>
      error ? callback(unreachable(new URL(proxy), error), null) : callback(null, socket),
    )
}

function unreachable({ host }: URL, error: unknown): ProxyError {
  return new ProxyError(`proxy ${host} unreachable: ${errorCodeOrName(error)}`)
}
