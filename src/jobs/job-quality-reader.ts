import type { CallContext, CdfCall } from '../cdf/cdf-client.ts'
import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'
import { ProxyError } from '../problem.ts'
import type { ProblemCode } from '../problem-table.ts'
import { SingleFlight } from '../single-flight.ts'
import { toJobAnswer } from './job-answer.ts'
import type { JobCache } from './job-cache.ts'
import type { CacheOutcome, CountedOutcome, JobRead } from './job-read.ts'
import { countedOutcomeOf, kept, summaryOf } from './job-read.ts'
import { normalizeJob } from './normalize-job.ts'

/** What a {@link JobQualityReader} works with. */
export interface JobQualityReaderOptions {
  cache: JobCache
  /** Asks CDF for one job; throws ProxyError. */
  fetchJob: (jobId: JobId, context: CallContext) => Promise<CdfJob>
  /** How long a job that is not done stays fresh, in milliseconds. */
  statusFreshMs: number
  /** How long its last answer may be served while CDF fails, in milliseconds. */
  staleIfErrorMs: number
  /** Monotonic clock, milliseconds; the same as the cache's. */
  now: () => number
  /** Whether this process is too busy to ask CDF; what is cached is answered all the same. */
  isOverloaded: () => boolean
  /** Told of each field of CDF's that was not as the reference says. */
  onDeviation: (field: string, job: CdfJob, requestId: string) => void
}

/** While CDF fails in one of these ways, a recent answer is better than none. All others say something of the job or of us. */
const STALE_IF_ERROR: ReadonlySet<ProblemCode> = new Set([
  'upstream-error',
  'upstream-timeout',
  'upstream-throttled',
  'upstream-unavailable',
  'overloaded',
])

/** After one of these, what CDF said before is not to be served any more, not even stale. */
const REVOKES: ReadonlySet<ProblemCode> = new Set([
  'upstream-auth-failed',
  'upstream-forbidden',
  'upstream-invalid-response',
])

/** The idea of the service: cache → read in flight → CDF → normalize → keep. One upstream read per job, whoever asks. */
export class JobQualityReader {
  readonly #options: JobQualityReaderOptions
  readonly #flights = new SingleFlight<JobId, JobRead>()
  /** Told of each read that was no hit, once, whoever shared it. */
  onRead: (jobId: JobId, read: JobRead) => void = () => {}
  /** How many reads there were, by their outcome. */
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
   * Reads one job; at once, not by promise, if the cache has it.
   * A problem is a value here, since it may come from the cache too; only a bug or the caller's leaving rejects.
   * @param context called only if CDF may have to be asked
   */
  read(jobId: JobId, context: () => CallContext): JobRead | Promise<JobRead> {
    const { cache, now } = this.#options
    const held = cache.fresh(jobId)
    if (held) {
      this.counts['problem' in held ? 'negative' : 'hit'] += 1
      return kept(held, now(), 'hit')
    }
    return this.#readThrough(jobId, context())
  }

  /** The last answer that is kept, fresh or not, as one from the cache. */
  latest(jobId: JobId): JobRead | undefined {
    const { cache, now } = this.#options
    const held = cache.latest(jobId)
    return held && kept(held, now(), 'hit')
  }

  async #readThrough(jobId: JobId, context: CallContext): Promise<JobRead> {
    const collapsed = this.#flights.has(jobId)
    const read = await this.#flights.run(jobId, context.signal, async (signal) => {
      const calls: CdfCall[] = []
      const asked = await this.#ask(jobId, {
        ...context,
        signal,
        onCall: (call) => calls.push(call),
      })
      const read = calls.length > 0 ? { ...asked, upstream: summaryOf(calls) } : asked
      // Before anybody is told: who has heard enough leaves at once.
      this.counts[countedOutcomeOf(read)] += 1
      this.onRead(jobId, read)
      return read
    })
    if (!collapsed) return read
    // What was served stale was not forwarded to, whoever asked.
    const own = read.outcome === 'stale-if-error' ? read : { ...read, collapsed }
    this.counts[countedOutcomeOf(own)] += 1
    return own
  }

  /** The one upstream read that all callers of the job share. */
  async #ask(jobId: JobId, context: CallContext): Promise<JobRead> {
    const { cache, fetchJob, isOverloaded, statusFreshMs, now } = this.#options
    const outcome = cache.latest(jobId) ? 'stale' : 'miss'
    try {
      if (isOverloaded()) throw new ProxyError('overloaded')
      const job = await fetchJob(jobId, context)
      context.signal.throwIfAborted()
      const { quality, deviations } = normalizeJob(jobId, job)
      for (const field of deviations) this.#options.onDeviation(field, job, context.requestId)
      const readAtMs = now()
      const before = cache.latest(jobId)
      const firstSeenMs = before?.firstSeenMs ?? readAtMs
      const fresh = toJobAnswer(quality, readAtMs, firstSeenMs, statusFreshMs)
      // A job that was seen done stays done, whatever CDF says later.
      const answer = before?.done && !fresh.done ? { ...before, readAtMs } : fresh
      cache.keep(jobId, answer)
      return { answer, outcome, collapsed: false }
    } catch (error) {
      if (!(error instanceof ProxyError) || context.signal.aborted) throw error
      return this.#failed(jobId, error, outcome)
    }
  }

  #failed(jobId: JobId, problem: ProxyError, outcome: CacheOutcome): JobRead {
    const { cache, now, staleIfErrorMs } = this.#options
    if (problem.code === 'job-not-found') {
      cache.keepNotFound(jobId, { problem, readAtMs: now() })
    } else if (STALE_IF_ERROR.has(problem.code)) {
      const latest = cache.latest(jobId)
      if (latest && !latest.done && now() - latest.readAtMs < staleIfErrorMs) {
        return kept(latest, now(), 'stale-if-error')
      }
    } else if (REVOKES.has(problem.code)) {
      cache.forgetPending(jobId)
    }
    return { problem, outcome, collapsed: false }
  }
}
