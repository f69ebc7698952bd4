import fp from 'fastify-plugin'
import { retryUntilSuccess } from '../src/async/retry-until-success.ts'
import type { CdfClient } from '../src/cdf/cdf-client.ts'
import { type CreateCdfClientOptions, createCdfClient } from '../src/cdf/create-cdf-client.ts'
import { hostAndPort } from '../src/http/host-and-port.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { roundMs } from '../src/telemetry/format-access-log.ts'

/** Requests with these outcomes are logged at `debug`: the access log already shows them. */
const QUIET_OUTCOMES: ReadonlySet<string> = new Set(['ok', 'aborted', 'job-not-found'])

/** Decorates `app.cdf`, the client of CDF with its token provider and limits. Requests a token on listen. */
export const cdfPlugin = fp(
  async function cdf(app, options: CreateCdfClientOptions) {
    const { log, metrics } = app
    const { readinessBlockers } = app.lifeCycle
    readinessBlockers.set('access-token', 'identity-provider-unavailable')
    const host = hostAndPort(options.cdf.baseUrl)
    const { client, tokens, policy, concurrency, coolDown, breaker } = createCdfClient(options, {
      onExpiredCertificate: (expiredAt) =>
        log.warn({ expiredAt }, 'client certificate has expired'),
      onTokenRequestEnd: (outcome) => {
        const failed = 'error' in outcome
        metrics.tokenRequests.inc({ outcome: failed ? 'failure' : 'success' })
        if (failed) {
          if (outcome.error instanceof ProblemError && readinessBlockers.has('access-token'))
            readinessBlockers.set('access-token', outcome.error.code)
          log.warn({ err: outcome.error }, 'token request failed')
        } else {
          readinessBlockers.delete('access-token')
          log.info({ lifetimeSeconds: outcome.lifetimeSeconds }, 'access token obtained')
        }
      },
      onBreakerChange: (state) => log.warn({ state }, 'circuit breaker state changed'),
      onPause: (pause) => app.fleet.limits.pause(pause),
      onRequestEnd: (request) => {
        const { outcome, durationMs } = request
        metrics.upstreamRequests.observe({ outcome }, durationMs / 1000)
        const level = QUIET_OUTCOMES.has(outcome) ? 'debug' : 'info'
        log[level]({ ...request, host, durationMs: roundMs(durationMs) }, 'CDF request')
      },
    })
    app.decorate('cdf', client)

    metrics.onScrape(() => {
      const { running, waiting, limit } = concurrency.load
      metrics.upstreamInFlight.set(running)
      metrics.upstreamQueue.set(waiting)
      metrics.upstreamLimit.set(limit)
      for (const state of ['closed', 'open', 'half-open'] as const) {
        metrics.breakerState.set({ state }, breaker.state === state ? 1 : 0)
      }
      metrics.coolDown.set(coolDown.remainingMs / 1000)
      metrics.tokenAge.set(tokens.tokenAgeMs / 1000)
    })
    const stopped = new AbortController()
    // Before the first request to CDF.
    app.addHook('onReady', () => app.fleet.limits.start(policy))
    app.addHook('onListen', () => {
      retryUntilSuccess(() => tokens.get(), stopped.signal)
    })
    app.addHook('onClose', async () => stopped.abort())
  },
  { name: 'cdf', dependencies: ['life-cycle', 'metrics', 'fleet'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    cdf: CdfClient
  }
}
