import { SingleFlight } from '../async/single-flight.ts'
import type { CallContext, CdfRequest } from '../cdf/cdf-client.ts'
import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'
import { WaitingCallers } from '../cdf/resilience/waiting-callers.ts'
import { ProblemError } from '../problems/problem.ts'
import type { ProblemCode } from '../problems/problem-types.ts'
import { toCachedResponse } from './cached-response.ts'
import type { JobCache } from './job-cache.ts'
import { normalizeJob } from './normalize-job.ts'
import type { CacheOutcome, CountedOutcome, ReadResult } from './read-result.ts'
import { countedOutcome, fromCacheEntry, summarizeRequests } from './read-result.ts'

/** The request that a job is read for. Members may be getters: the reader uses them only on a miss. */
export interface ReadContext {
  readonly requestId: string
  /** W3C `traceparent` for CDF. */
  readonly traceparent: string
  /** Key of the caller, who gets a fair share of the reads of CDF. */
  readonly caller: string
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal
}

/** Receives the result of every read of CDF. */
export type ReadListener = (jobId: JobId, result: ReadResult) => void

/** Options of {@link JobQualityReader}. */
export interface JobQualityReaderOptions {
  cache: JobCache
  /** Reads one job from CDF; throws ProblemError. */
  fetchJob: (jobId: JobId, context: CallContext) => Promise<CdfJob>
  /** Freshness lifetime of a job that is not done; milliseconds. */
  statusFreshMs: number
  /** Greatest age at which such a job is served while CDF fails; milliseconds. */
  staleIfErrorMs: number
  /** Monotonic clock, milliseconds; the same as the cache's. */
  now: () => number
  /** Whether this process is too busy to read CDF. Hits are served nevertheless. */
  isOverloaded: () => boolean
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

/** Reads jobs: cache → read in flight → CDF → normalize → cache. Concurrent callers share one read of CDF per job. */
export class JobQualityReader {
  readonly #options: JobQualityReaderOptions
  readonly #flights = new SingleFlight<JobId, ReadResult>()
  /** By job, while it is read. */
  readonly #callers = new Map<JobId, WaitingCallers>()
  readonly #listeners = new Set<ReadListener>()
  /** Number of reads by outcome. */
  readonly counts: Record<CountedOutcome, number> = {
    hit: 0,
    negative: 0,
    miss: 0,
    stale: 0,
    collapsed: 0,
    'stale-if-error': 0,
  }

  constructor(options: JobQualityReaderOptions) {
    this.#options = options
  }

  /**
   * Reads one job. Returns a hit synchronously, else a promise. Problems are values, because they can be cached too; the
   * promise rejects only after a bug or with the reason of `context.signal`.
   */
  read(jobId: JobId, context: ReadContext): ReadResult | Promise<ReadResult> {
    const { cache, now } = this.#options
    const entry = cache.fresh(jobId)
    if (!entry) return this.#readThrough(jobId, context)
    this.counts['problem' in entry ? 'negative' : 'hit'] += 1
    return fromCacheEntry(entry, now())
  }

  /** The latest cached response, fresh or stale, as a hit. */
  latest(jobId: JobId): ReadResult | undefined {
    const { cache, now } = this.#options
    const response = cache.latest(jobId)
    return response && fromCacheEntry(response, now())
  }

  /**
   * Calls the listener once for each read of CDF, before the callers of `read` get the result.
   * @returns unsubscribe
   */
  subscribe(listener: ReadListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #readThrough(jobId: JobId, context: ReadContext): Promise<ReadResult> {
    context.signal.throwIfAborted()
    const collapsed = this.#flights.has(jobId)
    const callers = (collapsed && this.#callers.get(jobId)) || new WaitingCallers()
    this.#callers.set(jobId, callers)
    callers.join(context.caller)
    const read = this.#flights.run(jobId, context.signal, async (signal) => {
      const result = await this.#readUpstream(jobId, context, callers, signal)
      this.counts[countedOutcome(result)] += 1
      for (const listener of this.#listeners) listener(jobId, result)
      return result
    })
    const result = await read.finally(() => {
      if (!this.#flights.has(jobId)) this.#callers.delete(jobId)
    })
    if (!collapsed) return result
    const own = result.outcome === 'stale-if-error' ? result : { ...result, collapsed }
    this.counts[countedOutcome(own)] += 1
    return own
  }

  /** The one read of CDF that concurrent callers share. `signal` aborts when all of them have left. */
  async #readUpstream(
    jobId: JobId,
    { requestId, traceparent }: ReadContext,
    callers: WaitingCallers,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const { cache, fetchJob, isOverloaded } = this.#options
    const outcome = cache.latest(jobId) ? 'stale' : 'miss'
    const requests: CdfRequest[] = []
    const onRequest = (request: CdfRequest) => requests.push(request)
    const withRequests = (result: ReadResult): ReadResult =>
      requests.length > 0 ? { ...result, upstream: summarizeRequests(requests) } : result
    try {
      if (isOverloaded()) throw new ProblemError('overloaded')
      const job = await fetchJob(jobId, { callers, requestId, traceparent, signal, onRequest })
      signal.throwIfAborted()
      const response = this.#store(jobId, job, requestId)
      return withRequests({ response, outcome, collapsed: false })
    } catch (error) {
      if (!(error instanceof ProblemError) || signal.aborted) throw error
      return withRequests(this.#toFailure(jobId, error, outcome))
    }
  }

  #store(jobId: JobId, job: CdfJob, requestId: string) {
    const { cache, statusFreshMs, now, onDeviation } = this.#options
    const { quality, deviations } = normalizeJob(jobId, job)
    for (const field of deviations) onDeviation(field, job, requestId)
    const readAtMs = now()
    const previous = cache.latest(jobId)
    const fresh = toCachedResponse(
      quality,
      readAtMs,
      previous?.firstSeenMs ?? readAtMs,
      statusFreshMs,
    )
    // A done job stays done, whatever CDF answers later.
    const response = previous?.done && !fresh.done ? { ...previous, readAtMs } : fresh
    cache.set(jobId, response)
    return response
  }

  #toFailure(jobId: JobId, problem: ProblemError, outcome: CacheOutcome): ReadResult {
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
}
