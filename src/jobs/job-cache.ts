import { LRUCache } from 'lru-cache'
import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { ProblemError } from '../problems/problem.ts'
import type { CachedResponse } from './cached-response.ts'

/** Limits for the bodies in one LRU. 64 MiB are about 65,000 responses of the usual size. */
const MAX_BYTES = { done: 64 * 1024 * 1024, pending: 16 * 1024 * 1024 }
/** Besides its body, an entry takes about this much. */
const BYTES_PER_ENTRY = 512

/** A cached 404 of CDF. */
export interface NotFound {
  readonly problem: ProblemError
  /** When CDF was read; milliseconds of the cache's clock. */
  readonly readAtMs: number
}

/** Sizes and lifetimes of cached jobs. */
export interface JobCacheSettings {
  /** Greatest number of done jobs, of pending jobs, and of unknown jobs; each counts separately. */
  maxEntries: number
  /** How long a done job is kept; milliseconds. */
  ttlMs: number
  /** Freshness lifetime of a job that is not done; milliseconds. */
  statusFreshMs: number
  /** Greatest age at which such a job is served while CDF fails; milliseconds. */
  staleIfErrorMs: number
  /** How long an unknown job is kept; milliseconds, 0 = not at all. */
  notFoundTtlMs: number
}

/**
 * The cache of jobs: one LRU each for done, pending and unknown jobs, so that neither many running jobs nor guessed ids
 * evict results. Each is bounded in entries, those with responses also in bytes.
 */
export class JobCache {
  readonly #done: LRUCache<JobId, CachedResponse>
  readonly #pending: LRUCache<JobId, CachedResponse>
  readonly #notFound: LRUCache<JobId, NotFound> | undefined
  readonly #options: JobCacheSettings & Pick<Clock, 'now'>
  readonly #pendingTtlMs: number

  constructor(options: JobCacheSettings & Pick<Clock, 'now'>) {
    const { maxEntries, ttlMs, statusFreshMs, staleIfErrorMs, notFoundTtlMs, now } = options
    this.#pendingTtlMs = Math.max(statusFreshMs, staleIfErrorMs)
    // With a ttlResolution of 0, lru-cache reads the clock each time instead of once per millisecond of real time.
    const storage = { max: maxEntries, ttlResolution: 0, perf: { now } }
    const sizeCalculation = ({ byteLength }: CachedResponse) => byteLength + BYTES_PER_ENTRY
    this.#done = new LRUCache({
      ...storage,
      ttl: ttlMs,
      maxSize: MAX_BYTES.done,
      sizeCalculation,
    })
    // In lru-cache, a ttl of 0 means no expiry.
    this.#pending = new LRUCache({
      ...storage,
      ttl: Math.max(1, this.#pendingTtlMs),
      maxSize: MAX_BYTES.pending,
      sizeCalculation,
    })
    this.#notFound =
      notFoundTtlMs > 0 ? new LRUCache({ ...storage, ttl: notFoundTtlMs }) : undefined
    this.#options = options
  }

  /** Number of entries by kind. */
  get sizes(): { done: number; pending: number; 'not-found': number } {
    return {
      done: this.#done.size,
      pending: this.#pending.size,
      'not-found': this.#notFound?.size ?? 0,
    }
  }

  /** A fresh entry, which may be served without a read of CDF. */
  fresh(jobId: JobId): CachedResponse | NotFound | undefined {
    const response = this.latest(jobId)
    if (response && this.#options.now() - response.readAtMs < response.freshForMs) return response
    return this.#notFound?.get(jobId)
  }

  /** The latest response, fresh or stale. */
  latest(jobId: JobId): CachedResponse | undefined {
    return this.#done.get(jobId) ?? this.#pending.get(jobId)
  }

  /** How long a response is kept; `undefined` = a 404. Milliseconds. */
  ttlMs(response: CachedResponse | undefined): number {
    const { ttlMs, notFoundTtlMs } = this.#options
    if (!response) return notFoundTtlMs
    return response.done ? Math.min(ttlMs, response.freshForMs) : this.#pendingTtlMs
  }

  /** Stores a response. Its time to live begins when it was read. */
  set(jobId: JobId, response: CachedResponse): void {
    const start = response.readAtMs
    this.#notFound?.delete(jobId)
    if (response.done) {
      this.#pending.delete(jobId)
      this.#done.set(jobId, response, { start })
    } else {
      this.#pending.set(jobId, response, { start })
    }
  }

  /** Stores a 404 of CDF. */
  setNotFound(jobId: JobId, notFound: NotFound): void {
    this.deletePending(jobId)
    this.#notFound?.set(jobId, notFound, { start: notFound.readAtMs })
  }

  /** Deletes the response of a pending job, so that it cannot be served stale. */
  deletePending(jobId: JobId): void {
    this.#pending.delete(jobId)
  }
}
