import fp from 'fastify-plugin'
import type { Dispatcher } from 'undici'
import type { Clock } from '../src/async/clock.ts'
import { retryUntilSuccess } from '../src/async/retry-until-success.ts'
import type { CdfClientSettings } from '../src/cdf/create-cdf-client.ts'
import { createCdfClient } from '../src/cdf/create-cdf-client.ts'
import { hostAndPort } from '../src/http/host-and-port.ts'
import { JobCache } from '../src/jobs/job-cache.ts'
import { JobQualityReader } from '../src/jobs/job-quality-reader.ts'
import { EventLoopLoad } from '../src/limits/event-loop-load.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { roundMs } from '../src/telemetry/format-access-log.ts'
import { loggableText } from '../src/telemetry/loggable-text.ts'

/** Options of {@link jobQualityPlugin}. Each number is a variable in docs/configuration.md. */
export interface JobQualityOptions
  extends CdfClientSettings,
    Pick<Clock, 'now' | 'schedule' | 'random'> {
  jobs: {
    cacheMaxEntries: number
    cacheTtlMs: number
    statusFreshMs: number
    notFoundTtlMs: number
    staleIfErrorMs: number
  }
  dispatcher: Dispatcher
}

/** Each distinct deviation is logged once, up to this number. */
const MAX_LOGGED_DEVIATIONS = 200

/** Requests with these outcomes are logged at `debug`: the access log already shows them. */
const QUIET_OUTCOMES: ReadonlySet<string> = new Set(['ok', 'aborted', 'job-not-found'])

/** Decorates `app.jobQuality`, the reader with its token provider, client and cache. Requests a token on listen. */
export const jobQualityPlugin = fp(
  async function jobQuality(app, options: JobQualityOptions) {
    const { cdf, jobs, upstream, now, schedule } = options
    const { metrics } = app
    const stopped = new AbortController()
    const { readinessBlockers } = app.lifeCycle
    readinessBlockers.set('access-token', 'identity-provider-unavailable')
    const cdfHost = hostAndPort(cdf.baseUrl)

    const { client, tokens, policy, concurrency, coolDown, breaker } = createCdfClient({
      ...options,
      onExpiredCertificate: (expiredAt) =>
        app.log.warn({ expiredAt }, 'client certificate has expired'),
      onTokenRequestEnd: (outcome) => {
        const failed = 'error' in outcome
        metrics.tokenRequests.inc({ outcome: failed ? 'failure' : 'success' })
        if (failed) {
          if (outcome.error instanceof ProblemError && readinessBlockers.has('access-token'))
            readinessBlockers.set('access-token', outcome.error.code)
          app.log.warn({ err: outcome.error }, 'token request failed')
        } else {
          readinessBlockers.delete('access-token')
          app.log.info({ lifetimeSeconds: outcome.lifetimeSeconds }, 'access token obtained')
        }
      },
      onBreakerChange: (state) => app.log.warn({ state }, 'circuit breaker state changed'),
      onPause: (pause) => app.fleet.limits.pause(pause),
      onRequestEnd: (request) => {
        const { outcome, durationMs } = request
        metrics.upstreamRequests.observe({ outcome }, durationMs / 1000)
        const level = QUIET_OUTCOMES.has(outcome) ? 'debug' : 'info'
        const fields = { ...request, host: cdfHost, durationMs: roundMs(durationMs) }
        app.log[level](fields, 'CDF request')
      },
    })
    // Before the first call to CDF.
    app.addHook('onReady', () => app.fleet.limits.start(policy))
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
      shared: app.fleet.jobs,
      deadlineMs: upstream.deadlineMs,
      schedule,
      fetchJob: (jobId, context) => client.getEstimateQualityJob(jobId, context),
      isOverloaded: () => load.isOverloaded,
      statusFreshMs: jobs.statusFreshMs,
      staleIfErrorMs: jobs.staleIfErrorMs,
      now,
      onDeviation: (field, job, requestId) => {
        metrics.deviations.inc({ field })
        const value = field === 'status' ? loggableText(job.status) : undefined
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
      metrics.coolDown.set(coolDown.remainingMs / 1000)
      metrics.tokenAge.set(tokens.tokenAgeMs / 1000)
    })
    app.addHook('onListen', () => {
      retryUntilSuccess(() => tokens.get(), stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      load.stop()
    })
  },
  { name: 'job-quality', dependencies: ['life-cycle', 'metrics', 'fleet'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    jobQuality: JobQualityReader
  }
}
