import fp from 'fastify-plugin'
import type { ClientCredentialsOptions } from '../src/auth/client-credentials.ts'
import { clientCredentialsExchange } from '../src/auth/client-credentials.ts'
import { TokenProvider } from '../src/auth/token-provider.ts'
import { CdfClient } from '../src/cdf/cdf-client.ts'
import { CircuitBreaker } from '../src/cdf/circuit-breaker.ts'
import { ConcurrencyLimit } from '../src/cdf/concurrency-limit.ts'
import { CoolDown } from '../src/cdf/cool-down.ts'
import { RetryBudget } from '../src/cdf/retry-budget.ts'
import { UpstreamGate } from '../src/cdf/upstream-gate.ts'
import { EventLoopLoad } from '../src/event-loop-load.ts'
import { httpAgent, httpPool } from '../src/http-agent.ts'
import { JobCache } from '../src/jobs/job-cache.ts'
import { JobQualityReader } from '../src/jobs/job-quality-reader.ts'
import { retryUntilDone } from '../src/retry-until-done.ts'

/** What of the configuration this plugin needs; see the table in the README for each. */
export interface JobQualityOptions {
  cdf: { baseUrl: string; project: string; version: string | undefined }
  identityProvider: Omit<ClientCredentialsOptions, 'dispatcher'>
  jobs: {
    cacheMaxEntries: number
    cacheTtlMs: number
    statusFreshMs: number
    notFoundTtlMs: number
    staleIfErrorMs: number
  }
  upstream: {
    attemptTimeoutMs: number
    deadlineMs: number
    maxAttempts: number
    maxConcurrency: number
    maxQueue: number
  }
  serviceVersion: string
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** 0 ≤ random() < 1. */
  random: () => number
}

/** Values of CDF that were logged once are remembered up to this number, so that a lying CDF fills neither log nor memory. */
const MAX_LOGGED_DEVIATIONS = 200

/** `app.jobQuality`: token, CDF, cache and reader put together, and the first token fetched as soon as the app listens. */
export const jobQualityPlugin = fp(
  async function jobQuality(app, options: JobQualityOptions) {
    const { cdf, identityProvider, jobs, upstream, serviceVersion, now, random } = options
    const { metrics } = app
    const agent = httpAgent()
    const pool = httpPool(new URL(cdf.baseUrl).origin)
    app.lifeCycle.missing.add('identity-provider-unavailable')
    const stopped = new AbortController()

    const tokens = new TokenProvider({
      exchange: clientCredentialsExchange({ ...identityProvider, dispatcher: agent }),
      now,
      onExchange: (outcome) => {
        const failed = 'error' in outcome
        metrics.tokenExchanges.inc({ outcome: failed ? 'failure' : 'success' })
        if (failed) {
          app.log.warn({ err: outcome.error }, 'no access token')
        } else {
          app.lifeCycle.missing.delete('identity-provider-unavailable')
          app.log.info({ lifetimeSeconds: outcome.lifetimeSeconds }, 'new access token')
        }
      },
    })
    const concurrency = new ConcurrencyLimit(upstream.maxConcurrency, upstream.maxQueue)
    const coolDown = new CoolDown({ now, random })
    const breaker = new CircuitBreaker({
      now,
      onChange: (state) => app.log.warn({ state }, 'circuit to CDF'),
    })
    const client = new CdfClient({
      baseUrl: cdf.baseUrl,
      project: cdf.project,
      cdfVersion: cdf.version,
      serviceVersion,
      tokens,
      dispatcher: pool,
      gate: new UpstreamGate({ concurrency, coolDown, breaker, random }),
      retries: new RetryBudget(now),
      attemptTimeoutMs: upstream.attemptTimeoutMs,
      deadlineMs: upstream.deadlineMs,
      maxAttempts: upstream.maxAttempts,
      random,
      onCall: (call) => {
        const { outcome, durationMs } = call
        metrics.upstreamRequests.observe({ outcome }, durationMs / 1000)
        // The line of a request says how its calls went; what went well for a watch is no news.
        const level = ['ok', 'abandoned', 'job-not-found'].includes(outcome) ? 'debug' : 'info'
        app.log[level]({ ...call, durationMs: Math.round(durationMs * 1000) / 1000 }, 'CDF call')
      },
    })
    const cache = new JobCache({
      maxEntries: jobs.cacheMaxEntries,
      ttlMs: jobs.cacheTtlMs,
      pendingTtlMs: Math.max(jobs.statusFreshMs, jobs.staleIfErrorMs),
      notFoundTtlMs: jobs.notFoundTtlMs,
      now,
    })
    const load = new EventLoopLoad()
    const logged = new Set<string>()
    const reader = new JobQualityReader({
      cache,
      fetchJob: (jobId, context) => client.getEstimateQualityJob(jobId, context),
      isOverloaded: () => load.isTooHigh,
      statusFreshMs: jobs.statusFreshMs,
      staleIfErrorMs: jobs.staleIfErrorMs,
      now,
      onDeviation: (field, job, requestId) => {
        metrics.deviations.inc({ field })
        const value = field === 'status' ? job.status.slice(0, 100) : undefined
        const key = JSON.stringify([field, value])
        if (logged.has(key) || logged.size >= MAX_LOGGED_DEVIATIONS) return
        logged.add(key)
        app.log.warn({ requestId, field, value }, 'CDF deviates from its reference')
      },
    })
    app.decorate('jobQuality', reader)

    metrics.onScrape(() => {
      metrics.cacheOutcomes.reset()
      for (const [outcome, count] of Object.entries(reader.counts)) {
        metrics.cacheOutcomes.inc({ outcome }, count)
      }
      for (const [kind, size] of Object.entries(cache.sizes)) {
        metrics.cacheEntries.set({ kind }, size)
      }
      const { running, waiting, limit } = concurrency.load
      metrics.upstreamInFlight.set(running)
      metrics.upstreamQueue.set(waiting)
      metrics.upstreamLimit.set(limit)
      for (const state of ['closed', 'open', 'half-open'] as const) {
        metrics.breakerState.set({ state }, breaker.state === state ? 1 : 0)
      }
      metrics.coolDown.set(coolDown.leftMs / 1000)
      metrics.tokenAge.set(tokens.tokenAgeMs / 1000)
    })
    app.addHook('onListen', () => {
      retryUntilDone(() => tokens.get(), stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      load.stop()
      await Promise.all([agent.destroy(), pool.destroy()])
    })
  },
  { name: 'job-quality', dependencies: ['life-cycle', 'metrics'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    jobQuality: JobQualityReader
  }
}
