import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import { retryUntilSuccess } from '../src/async/retry-until-success.ts'
import { listenFailure } from '../src/http/listen-failure.ts'
import { isLoopback, isLoopbackHost } from '../src/http/loopback.ts'
import { OpenResponses } from '../src/http/open-responses.ts'
import { createMetrics, type Metrics } from '../src/telemetry/metrics.ts'

interface MetricsOptions {
  /** Address of the metrics listener; `undefined` = no listener. */
  listen: { host: string; port: number } | undefined
  serviceVersion: string
}

/** Limits of the metrics listener, which has few clients. */
const LIMITS = { connections: 64, openPerConnection: 8, timeoutMs: 30_000 }

/**
 * Decorates `app.metrics` and serves `GET /metrics` on a separate port, because callers must not see metrics.
 *
 * The service also runs if the port is in use, and tries again: during a rolling restart on one host, the previous
 * process still holds it.
 */
export const metricsPlugin = fp(
  async function metrics(app, { listen, serviceVersion }: MetricsOptions) {
    const metrics = createMetrics(serviceVersion)
    app.decorate('metrics', metrics)
    metrics.onScrape(() => metrics.ready.set(app.lifeCycle.ready ? 1 : 0))
    if (!listen) return
    metrics.collectProcessMetrics()

    let scrape: Promise<Buffer> | undefined
    /** Concurrent scrapes share one text. */
    const getText = () => {
      scrape ??= metrics
        .text()
        .then((text) => Buffer.from(text))
        .finally(() => {
          scrape = undefined
        })
      return scrape
    }
    const openResponses = new OpenResponses<ServerResponse>()
    const loopbackHostOnly = isLoopback(listen.host)
    const server = createServer(async ({ method = '', url, headers, socket }, response) => {
      if (openResponses.add(socket, response) > LIMITS.openPerConnection) socket.destroy()
      if (socket.destroyed) return
      response.once('close', () => openResponses.remove(socket, response))
      if (loopbackHostOnly && !isLoopbackHost(headers.host)) {
        response.writeHead(421).end()
        return
      }
      if (url?.split('?', 1)[0] !== '/metrics') {
        response.writeHead(404).end()
        return
      }
      if (!['GET', 'HEAD'].includes(method)) {
        response.writeHead(method === 'OPTIONS' ? 204 : 405, { allow: 'GET, HEAD, OPTIONS' }).end()
        return
      }
      const text = await getText()
      response.writeHead(200, { 'content-type': metrics.contentType })
      response.end(method === 'GET' ? text : undefined)
    })
    server.maxConnections = LIMITS.connections
    server.setTimeout(LIMITS.timeoutMs)
    let hasFailed = false
    const startListening = async () => {
      const listening = once(server, 'listening')
      server.listen(listen.port, listen.host)
      await listening.catch((err: unknown) => {
        const reason = listenFailure(err, 'METRICS_PORT')
        const fields = reason === undefined ? { err } : { ...listen, reason }
        if (!hasFailed) app.log.error(fields, 'metrics listener failed')
        hasFailed = true
        throw err
      })
    }
    const stopped = new AbortController()
    app.addHook('onListen', () => {
      retryUntilSuccess(startListening, stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      server.closeAllConnections()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    })
  },
  { name: 'metrics', dependencies: ['life-cycle'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}
