import { once } from 'node:events'
import fp from 'fastify-plugin'
import { Metrics } from '../src/metrics.ts'
import { nodeHttp } from '../src/node-http.ts'
import { retryUntilDone } from '../src/retry-until-done.ts'

/** Options of {@link metricsPlugin}. */
export interface MetricsOptions {
  /** Where `GET /metrics` is answered; `undefined` = nowhere. */
  listen: { host: string; port: number } | undefined
  serviceVersion: string
}

/**
 * `app.metrics`, and a listener of its own for `GET /metrics`: what operators see is not for callers.
 *
 * A port that is taken is no reason not to serve: it is tried again, as in a rolling restart on one host the process
 * before still has it.
 */
export const metricsPlugin = fp(
  async function metrics(app, { listen, serviceVersion }: MetricsOptions) {
    const all = new Metrics(serviceVersion)
    app.decorate('metrics', all)
    all.onScrape(() => {
      const { draining, missing } = app.lifeCycle
      all.ready.set(draining || missing.size > 0 ? 0 : 1)
    })
    if (!listen) return

    let measured: Promise<void> | undefined
    /** From the first scrape on: before it nobody looks, and the start need not wait for what measures. */
    const processMeasured = () => {
      measured ??= all.measureProcess().catch((err: unknown) => {
        measured = undefined
        app.log.error({ err }, 'process not measured')
      })
      return measured
    }
    const server = nodeHttp.createServer(async (request, response) => {
      const isMetrics = request.url === '/metrics' && /^(GET|HEAD)$/.test(request.method ?? '')
      if (isMetrics) await processMeasured()
      response.writeHead(
        isMetrics ? 200 : 404,
        isMetrics ? { 'content-type': all.contentType } : {},
      )
      response.end(isMetrics && request.method === 'GET' ? await all.text() : undefined)
    })
    const listening = async () => {
      const begun = once(server, 'listening')
      server.listen(listen.port, listen.host)
      await begun.catch((err: unknown) => {
        app.log.error({ err }, 'no metrics')
        throw err
      })
    }
    const stopped = new AbortController()
    app.addHook('onListen', () => {
      retryUntilDone(listening, stopped.signal)
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
