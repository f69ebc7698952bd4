import type { Clock } from '../async/clock.ts'
import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'
import { ProblemError } from '../problems/problem.ts'
import type { ProblemCode } from '../problems/problem-types.ts'
import { type CachedResponse, toCachedResponse } from './cached-response.ts'
import type { JobCache, JobCacheSettings } from './job-cache.ts'
import { normalizeJob } from './normalize-job.ts'
import { type CacheOutcome, fromCacheEntry, type ReadResult } from './read-result.ts'
import type { SharedJob, SharedUpdate } from './shared-jobs.ts'

/** Options of {@link JobResults}. */
export interface JobResultsOptions
  extends Pick<JobCacheSettings, 'statusFreshMs' | 'staleIfErrorMs'>,
    Pick<Clock, 'now'> {
  cache: JobCache
  /** Called for each field of CDF that deviates from the reference. */
  onDeviation: (field: string, job: CdfJob, requestId: string) => void
}

/** Failures for which a recent response may be served stale. All others say something about the job or this service. */
const STALE_IF_ERROR: ReadonlySet<ProblemCode> = new Set([
  'upstream-error',
  'upstream-timeout',
  'upstream-throttled',
  'upstream-unavailable',
  'overloaded',
])

/** Failures after which the last response of a pending job must not be served any more. */
const REVOKES_PENDING: ReadonlySet<ProblemCode> = new Set([
  'upstream-auth-failed',
  'upstream-forbidden',
  'upstream-invalid-response',
])

/** Turns answers of CDF, results of other replicas and failures into read results, and updates the cache. */
export class JobResults {
  readonly #options: JobResultsOptions

  constructor(options: JobResultsOptions) {
    this.#options = options
  }

  /** A fresh result, as a hit. */
  fresh(jobId: JobId): ReadResult | undefined {
    const { cache, now } = this.#options
    const entry = cache.fresh(jobId)
    return entry && fromCacheEntry(entry, now())
  }

  /** The latest response, fresh or stale, as a hit. */
  latest(jobId: JobId): ReadResult | undefined {
    const { cache, now } = this.#options
    const response = cache.latest(jobId)
    return response && fromCacheEntry(response, now())
  }

  /** Stores a job that CDF has just sent. */
  storeJob(
    jobId: JobId,
    job: CdfJob,
    requestId: string,
  ): { response: CachedResponse; update: SharedUpdate | undefined } {
    const { cache, now, onDeviation, statusFreshMs } = this.#options
    const { quality, deviations } = normalizeJob(jobId, job)
    for (const field of deviations) onDeviation(field, job, requestId)
    const readAtMs = now()
    const firstReadAtMs = cache.latest(jobId)?.firstReadAtMs ?? readAtMs
    const fresh = toCachedResponse(quality, readAtMs, firstReadAtMs, statusFreshMs)
    const response = this.#store(jobId, fresh)
    const ageAtReadMs = readAtMs - firstReadAtMs
    const update = { job, ageAtReadMs, ttlMs: cache.ttlMs(response) }
    return { response, update: response === fresh ? update : undefined }
  }

  /**
   * Stores what another replica has read, if it is newer than the own result.
   * @param maxAgeMs greatest age of a pending job; milliseconds
   * @returns a hit, unless it is too old
   */
  storeSharedJob(jobId: JobId, shared: SharedJob, maxAgeMs: number): ReadResult | undefined {
    const { cache, now, statusFreshMs } = this.#options
    const { job, ageMs, ageAtReadMs } = shared
    const readAtMs = now() - ageMs
    const previous = cache.latest(jobId)
    if (previous && previous.readAtMs >= readAtMs) return undefined
    if (job === undefined) {
      if (ageMs >= cache.ttlMs(undefined)) return undefined
      const notFound = { problem: new ProblemError('job-not-found'), readAtMs }
      cache.setNotFound(jobId, notFound)
      return fromCacheEntry(notFound, now())
    }
    const { quality } = normalizeJob(jobId, job)
    const fresh = toCachedResponse(quality, readAtMs, readAtMs - ageAtReadMs, statusFreshMs)
    const response = this.#store(jobId, fresh)
    const maxMs = response.done ? cache.ttlMs(response) : maxAgeMs
    return ageMs < maxMs ? fromCacheEntry(response, now()) : undefined
  }

  /**
   * The result of a failed read: a stale response if one may be served, else the problem. Caches a 404, and
   * deletes the entry of a pending job after a rejection.
   */
  resolveFailure(jobId: JobId, problem: ProblemError, outcome: CacheOutcome): ReadResult {
    const { cache, now, staleIfErrorMs } = this.#options
    if (problem.code === 'job-not-found') {
      cache.setNotFound(jobId, { problem, readAtMs: now() })
    } else if (STALE_IF_ERROR.has(problem.code)) {
      const latest = cache.latest(jobId)
      if (latest && !latest.done && now() - latest.readAtMs < staleIfErrorMs) {
        return fromCacheEntry(latest, now(), 'stale-if-error')
      }
    } else if (REVOKES_PENDING.has(problem.code)) {
      cache.deletePending(jobId)
    }
    return { problem, outcome, collapsed: false }
  }

  /** What a failed read of CDF changes for the other replicas. */
  sharedUpdateAfter({ code }: ProblemError): SharedUpdate | undefined {
    if (code === 'job-not-found')
      return { job: undefined, ageAtReadMs: 0, ttlMs: this.#options.cache.ttlMs(undefined) }
    return REVOKES_PENDING.has(code) ? 'delete' : undefined
  }

  /** A done job stays done, whatever CDF answers later. */
  #store(jobId: JobId, fresh: CachedResponse): CachedResponse {
    const { cache } = this.#options
    const previous = cache.latest(jobId)
    const { readAtMs } = fresh
    const response = previous?.done && !fresh.done ? { ...previous, readAtMs } : fresh
    cache.set(jobId, response)
    return response
  }
}
