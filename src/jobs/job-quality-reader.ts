import type { Clock } from '../async/clock.ts'
import { SingleFlight } from '../async/single-flight.ts'
import type { CdfReadContext, CdfRequest } from '../cdf/cdf-client.ts'
import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'
import { WaitingCallers } from '../cdf/resilience/waiting-callers.ts'
import { ProblemError } from '../problems/problem.ts'
import { acquireLease } from './acquire-lease.ts'
import { JobResults, type JobResultsOptions } from './job-results.ts'
import type { CountedOutcome, ReadResult } from './read-result.ts'
import { countedOutcome, summarizeRequests } from './read-result.ts'
import type { JobLease, SharedJob, SharedJobs, SharedUpdate } from './shared-jobs.ts'

/** The request that a job is read for. Members may be getters: the reader uses them only on a miss. */
export interface ReadContext {
  readonly requestId: string
  /** W3C `traceparent` for CDF. */
  readonly traceparent: string
  /** Key of the caller, who gets a fair share of the reads of CDF. */
  readonly callerKey: string
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal
  /** Greatest age of a pending result of another replica, milliseconds; default: its freshness lifetime. */
  readonly maxSharedAgeMs?: number | undefined
}

/** Receives results. */
export interface ReadListener {
  /** Called for every read of CDF, and for results of other replicas, which are hits. */
  onRead(jobId: JobId, result: ReadResult): void
  /** Whether results of other replicas for this job are of interest. */
  isWatching(jobId: JobId): boolean
}

interface JobQualityReaderOptions extends JobResultsOptions, Pick<Clock, 'schedule'> {
  shared: SharedJobs
  /** Reads one job from CDF; throws ProblemError. */
  fetchJob: (jobId: JobId, context: CdfReadContext) => Promise<CdfJob>
  /** Limit for a read, with the wait for another replica; milliseconds. */
  deadlineMs: number
  /** Whether this process is too busy to read CDF. Hits are served nevertheless. */
  isOverloaded: () => boolean
}

/** What the callers of a read in flight require. More callers can join. */
interface Demand {
  readonly callers: WaitingCallers
  /** The smallest of the callers. */
  maxSharedAgeMs: number
}

/**
 * Reads jobs: cache → read in flight → other replicas → CDF → normalize → cache. Concurrent callers share one read of CDF
 * per job.
 */
export class JobQualityReader {
  readonly #options: JobQualityReaderOptions
  readonly #results: JobResults
  readonly #flights = new SingleFlight<JobId, ReadResult, Demand>()
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
    this.#results = new JobResults(options)
    options.shared.onRelease((jobId) => {
      if (jobId !== undefined) this.#onRelease(jobId)
    })
  }

  /**
   * Reads one job. Returns a hit synchronously, else a promise. Problems are values, because they can be cached too; the
   * promise rejects only after a bug or with the reason of `context.signal`.
   */
  read(jobId: JobId, context: ReadContext): ReadResult | Promise<ReadResult> {
    const hit = this.#results.fresh(jobId)
    if (!hit) return this.#readThrough(jobId, context)
    this.counts[countedOutcome(hit)] += 1
    return hit
  }

  /** The latest cached response, fresh or stale, as a hit. */
  latest(jobId: JobId): ReadResult | undefined {
    return this.#results.latest(jobId)
  }

  /**
   * Calls the listener for each result, before the callers of `read` get it.
   * @returns unsubscribe
   */
  subscribe(listener: ReadListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #readThrough(jobId: JobId, context: ReadContext): Promise<ReadResult> {
    context.signal.throwIfAborted()
    const { maxSharedAgeMs = this.#options.statusFreshMs } = context
    const collapsed = this.#flights.has(jobId)
    const join = (demand: Demand = { callers: new WaitingCallers(), maxSharedAgeMs }) => {
      demand.callers.join(context.callerKey)
      demand.maxSharedAgeMs = Math.min(demand.maxSharedAgeMs, maxSharedAgeMs)
      return demand
    }
    const result = await this.#flights.run(jobId, context.signal, join, async (signal, demand) => {
      const result = await this.#runFlight(jobId, context, signal, demand)
      this.counts[countedOutcome(result)] += 1
      this.#notify(jobId, result)
      return result
    })
    if (!collapsed) return result
    const own = result.outcome === 'stale-if-error' ? result : { ...result, collapsed }
    this.counts[countedOutcome(own)] += 1
    return own
  }

  /** The one read that concurrent callers share: a result of another replica, or of CDF. */
  async #runFlight(
    jobId: JobId,
    { requestId, traceparent }: ReadContext,
    signal: AbortSignal,
    demand: Demand,
  ): Promise<ReadResult> {
    const { shared, now, schedule, deadlineMs, fetchJob, isOverloaded } = this.#options
    const results = this.#results
    let outcome: 'miss' | 'stale' = 'miss'
    const requests: CdfRequest[] = []
    const withRequests = (result: ReadResult): ReadResult =>
      requests.length > 0 ? { ...result, upstream: summarizeRequests(requests) } : result
    let lease: JobLease | undefined
    let update: SharedUpdate | undefined
    try {
      const accept = (job: SharedJob) => results.storeSharedJob(jobId, job, demand.maxSharedAgeMs)
      const options = { shared, accept, now, schedule, deadlineMs, signal }
      const acquired = await acquireLease(jobId, options)
      if ('result' in acquired) return acquired.result
      lease = acquired.lease
      // Also a result of another replica that is too old.
      if (results.latest(jobId)) outcome = 'stale'
      if (isOverloaded()) throw new ProblemError('overloaded')
      const job = await fetchJob(jobId, {
        callers: demand.callers,
        requestId,
        traceparent,
        signal,
        deadlineMs: Math.ceil(deadlineMs - acquired.waitedMs),
        onRequestEnd: (request) => requests.push(request),
      })
      signal.throwIfAborted()
      const stored = results.storeJob(jobId, job, requestId)
      update = stored.update
      return withRequests({ response: stored.response, outcome, collapsed: false })
    } catch (error) {
      if (!(error instanceof ProblemError) || signal.aborted) throw error
      update = results.sharedUpdateAfter(error)
      return withRequests(results.resolveFailure(jobId, error, outcome))
    } finally {
      // The callers do not wait for this.
      lease?.release(update)
    }
  }

  /** Another replica has released the lease of a job. A read in flight for it handles that itself. */
  async #onRelease(jobId: JobId): Promise<void> {
    const isPending = this.#results.latest(jobId)?.response?.done === false
    const isWatched = [...this.#listeners].some((listener) => listener.isWatching(jobId))
    if (this.#flights.has(jobId) || !(isPending || isWatched)) return
    const stored = await this.#options.shared.get(jobId)
    const result = stored && this.#results.storeSharedJob(jobId, stored, Number.POSITIVE_INFINITY)
    if (result) this.#notify(jobId, result)
  }

  #notify(jobId: JobId, result: ReadResult): void {
    for (const listener of this.#listeners) listener.onRead(jobId, result)
  }
}
