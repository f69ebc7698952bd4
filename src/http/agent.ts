import { Agent, Dispatcher } from 'undici'
import { type Proxies, proxyAgent } from './proxy.ts'

/** Largest response body that is read, packed and unpacked: 1 MiB. A job status has less than 1 KiB. */
export const MAX_BODY_BYTES = 1024 * 1024

/**
 * Greatest time that a connection stays in the pool without a request, whatever the server allows. Load balancers and
 * NATs drop idle connections after 60 s or more, often silently: a request on such a connection gets no response.
 */
const MAX_IDLE_MS = 30_000

/** Less than the time limit of an attempt, so that the log names the proxy. */
const TUNNEL_TIMEOUT_MS = 3_000

/** Options of {@link httpAgent}. */
export interface HttpAgentOptions {
  /** Default: none. */
  proxies?: Proxies
  /** Trusted certificates in PEM; default: those of Node. */
  ca?: string | undefined
  /** Greatest number of connections per origin; default: no limit. */
  connections?: number | null
  /** Limit for opening a tunnel through a proxy; default: 3000 ms. */
  tunnelTimeoutMs?: number
}

/**
 * Connections to CDF and identity providers. A request with `reset` gets a new connection, which is closed after it; any
 * other request gets one from the pool.
 *
 * HTTP/1.1 only: with HTTP/2, undici takes a stream that is reset in the middle of a body for a complete response.
 * undici's own timeouts restart with every byte, so they are off; `sendRequest` sets the time limits.
 */
export function httpAgent(options: HttpAgentOptions = {}): Dispatcher {
  const { proxies = {}, ca, connections = null, tunnelTimeoutMs = TUNNEL_TIMEOUT_MS } = options
  const agentOptions = {
    connect: { ca },
    connections,
    allowH2: false,
    maxResponseSize: MAX_BODY_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveMaxTimeout: MAX_IDLE_MS,
  }
  const create = () =>
    proxies.https || proxies.http
      ? proxyAgent(proxies, agentOptions, tunnelTimeoutMs)
      : new Agent(agentOptions)
  return new HttpAgent(create(), create())
}

class HttpAgent extends Dispatcher {
  readonly #pooled: Dispatcher
  /** `reset` makes undici close each of its connections after one request. */
  readonly #unpooled: Dispatcher

  constructor(pooled: Dispatcher, unpooled: Dispatcher) {
    super()
    this.#pooled = pooled
    this.#unpooled = unpooled
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    return (options.reset ? this.#unpooled : this.#pooled).dispatch(options, handler)
  }

  override async close(): Promise<void> {
    await Promise.all([this.#pooled.close(), this.#unpooled.close()])
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#pooled.destroy(), this.#unpooled.destroy()])
  }
}
