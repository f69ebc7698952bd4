import { LRUCache } from 'lru-cache'
import type { JobId } from '../cdf/job-id.ts'
import type { ProxyError } from '../problem.ts'
import type { JobAnswer } from './job-answer.ts'

/** That CDF knew no such job. */
export interface NotFound {
  readonly problem: ProxyError
  /** When CDF said so, in milliseconds of the cache's clock. */
  readonly readAtMs: number
}

/** Sizes and lifetimes of a {@link JobCache}. */
export interface JobCacheOptions {
  /** Greatest number of done jobs; also of jobs not done and of unknown jobs, each apart. */
  maxEntries: number
  /** How long a done job is kept. */
  ttlMs: number
  /** How long a job that is not done is kept: as long as it is fresh or may be served stale. */
  pendingTtlMs: number
  /** How long an unknown job is remembered; 0 = not at all. */
  notFoundTtlMs: number
  /** Monotonic clock, milliseconds. */
  now: () => number
}

/**
 * What is known of jobs. Three LRUs, so that neither a crowd of running jobs nor guessed ids can push out results:
 * done jobs are worth keeping for a day, the others for seconds.
 */
export class JobCache {
  readonly #done: LRUCache<JobId, JobAnswer>
  readonly #pending: LRUCache<JobId, JobAnswer>
  readonly #notFound: LRUCache<JobId, NotFound> | undefined
  readonly #now: () => number

  constructor({ maxEntries, ttlMs, pendingTtlMs, notFoundTtlMs, now }: JobCacheOptions) {
    // A resolution of 0 makes lru-cache read the clock each time, instead of once per millisecond of real time.
    const storage = { max: maxEntries, ttlResolution: 0, perf: { now } }
    this.#done = new LRUCache({ ...storage, ttl: ttlMs })
    // To lru-cache a ttl of 0 means for ever.
    this.#pending = new LRUCache({ ...storage, ttl: Math.max(1, pendingTtlMs) })
    this.#notFound =
      notFoundTtlMs > 0 ? new LRUCache({ ...storage, ttl: notFoundTtlMs }) : undefined
    this.#now = now
  }

  /** How many of each kind there are. */
  get sizes(): { done: number; pending: number; 'not-found': number } {
    return {
      done: this.#done.size,
      pending: this.#pending.size,
      'not-found': this.#notFound?.size ?? 0,
    }
  }

  /** What may be answered without asking CDF. */
  fresh(jobId: JobId): JobAnswer | NotFound | undefined {
    const answer = this.latest(jobId)
    if (answer && this.#now() - answer.readAtMs < answer.freshForMs) return answer
    return this.#notFound?.get(jobId)
  }

  /** The last answer kept, fresh or not. */
  latest(jobId: JobId): JobAnswer | undefined {
    return this.#done.get(jobId) ?? this.#pending.get(jobId)
  }

  /** Keeps what CDF said of a job. */
  keep(jobId: JobId, answer: JobAnswer): void {
    this.#notFound?.delete(jobId)
    if (answer.done) {
      this.#pending.delete(jobId)
      this.#done.set(jobId, answer)
    } else {
      this.#pending.set(jobId, answer)
    }
  }

  /** Keeps that CDF knows no such job. */
  keepNotFound(jobId: JobId, notFound: NotFound): void {
    this.forgetPending(jobId)
    this.#notFound?.set(jobId, notFound)
  }

  /** Forgets the answer of a job that is not done, so that it is never served stale. */
  forgetPending(jobId: JobId): void {
    this.#pending.delete(jobId)
  }
}
