import { setTimeout as sleep } from 'node:timers/promises'
import fp from 'fastify-plugin'
import { Agent } from 'undici'
import type { ClientCredentialsOptions } from '../src/auth/client-credentials.ts'
import { clientCredentialsExchange } from '../src/auth/client-credentials.ts'
import { TokenProvider } from '../src/auth/token-provider.ts'
import { CdfClient } from '../src/cdf/cdf-client.ts'
import { ConcurrencyLimit } from '../src/cdf/concurrency-limit.ts'
import { JobCache } from '../src/jobs/job-cache.ts'
import { JobQualityReader } from '../src/jobs/job-quality-reader.ts'

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

/** The first token is tried for again after this long, doubling up to the greatest. */
const WARM_UP_RETRY_MS = { first: 500, greatest: 5_000 }

/** Values of CDF that were logged once are remembered up to this number, so that a lying CDF fills neither log nor memory. */
const MAX_LOGGED_DEVIATIONS = 200

/** `app.jobQuality`: token, CDF, cache and reader put together, and the first token fetched as soon as the app listens. */
export const jobQualityPlugin = fp(
  async function jobQuality(app, options: JobQualityOptions) {
    const { cdf, identityProvider, jobs, upstream, serviceVersion, now, random } = options
    const agent = new Agent()
    const stopped = new AbortController()

    const tokens = new TokenProvider({
      exchange: clientCredentialsExchange({ ...identityProvider, dispatcher: agent }),
      now,
      onExchange: (outcome) => {
        if ('error' in outcome) {
          app.log.warn({ err: outcome.error }, 'no access token')
        } else {
          app.lifeCycle.ready = true
          app.log.info({ lifetimeSeconds: outcome.lifetimeSeconds }, 'new access token')
        }
      },
    })
    const client = new CdfClient({
      baseUrl: cdf.baseUrl,
      project: cdf.project,
      cdfVersion: cdf.version,
      serviceVersion,
      tokens,
      dispatcher: agent,
      concurrency: new ConcurrencyLimit(upstream.maxConcurrency, upstream.maxQueue),
      attemptTimeoutMs: upstream.attemptTimeoutMs,
      deadlineMs: upstream.deadlineMs,
      maxAttempts: upstream.maxAttempts,
      random,
      onCall: (call) =>
        app.log.info(
          { ...call, durationMs: Math.round(call.durationMs * 1000) / 1000 },
          'CDF call',
        ),
    })
    const logged = new Set<string>()
    const reader = new JobQualityReader({
      cache: new JobCache({
        maxEntries: jobs.cacheMaxEntries,
        ttlMs: jobs.cacheTtlMs,
        pendingTtlMs: Math.max(jobs.statusFreshMs, jobs.staleIfErrorMs),
        notFoundTtlMs: jobs.notFoundTtlMs,
        now,
      }),
      fetchJob: (jobId, context) => client.getEstimateQualityJob(jobId, context),
      statusFreshMs: jobs.statusFreshMs,
      staleIfErrorMs: jobs.staleIfErrorMs,
      now,
      onDeviation: (field, job) => {
        const value = field === 'status' ? job.status.slice(0, 100) : undefined
        const key = JSON.stringify([field, value])
        if (logged.has(key) || logged.size >= MAX_LOGGED_DEVIATIONS) return
        logged.add(key)
        app.log.warn({ field, value }, 'CDF deviates from its reference')
      },
    })
    app.decorate('jobQuality', reader)

    app.addHook('onListen', () => {
      warmUp(tokens, stopped.signal).catch(() => {})
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      await agent.destroy()
    })
  },
  { name: 'job-quality', dependencies: ['life-cycle'] },
)

/** Asks for the first token until there is one: probes call nobody, and without one the service is never ready. */
async function warmUp(tokens: TokenProvider, signal: AbortSignal): Promise<void> {
  for (
    let delayMs = WARM_UP_RETRY_MS.first;
    !signal.aborted;
    delayMs = Math.min(2 * delayMs, WARM_UP_RETRY_MS.greatest)
  ) {
    const token = await tokens.get().catch(() => undefined)
    if (token) return
    await sleep(delayMs, undefined, { signal, ref: false })
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    jobQuality: JobQualityReader
  }
}
