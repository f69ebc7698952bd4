import { ProblemError } from '../problems/problem.ts'

/** An estimate. A stream can stay open for a long time. */
const RETRY_AFTER_SECONDS = 5

/** Options of {@link WatchLimit}; each per caller, 0 = no limit. */
export interface WatchLimitOptions {
  maxStreams: number
  /** Jobs in all streams and waits. */
  maxWatchedJobs: number
}

/** A stream or a wait, while it is open. */
interface Watch {
  /** 0 for a wait. */
  streams: 0 | 1
  jobs: number
}

/** Counts open streams and watched jobs, and limits those of each caller. */
export class WatchLimit {
  readonly #options: WatchLimitOptions
  readonly #used = new Map<string, { streams: number; jobs: number }>()
  #streams = 0

  constructor(options: WatchLimitOptions) {
    this.#options = options
  }

  /** Number of all open streams. */
  get streams(): number {
    return this.#streams
  }

  /**
   * Counts a new stream or wait.
   * @param caller `undefined` = not limited
   * @returns a function to call once when it has ended
   * @throws ProblemError `too-many-requests`
   */
  acquire(caller: string | undefined, watch: Watch): () => void {
    if (caller !== undefined) this.#add(caller, watch)
    this.#streams += watch.streams
    return () => {
      this.#streams -= watch.streams
      if (caller !== undefined) this.#remove(caller, watch)
    }
  }

  #add(caller: string, { streams, jobs }: Watch): void {
    const { maxStreams, maxWatchedJobs } = this.#options
    const used = this.#used.get(caller) ?? { streams: 0, jobs: 0 }
    if (streams > 0 && maxStreams > 0 && used.streams >= maxStreams)
      throw tooMany('This caller has too many open streams. One stream can follow 100 jobs.')
    if (maxWatchedJobs > 0 && used.jobs + jobs > maxWatchedJobs)
      throw tooMany(`This caller watches too many jobs. At most ${maxWatchedJobs} are allowed.`)
    this.#used.set(caller, { streams: used.streams + streams, jobs: used.jobs + jobs })
  }

  #remove(caller: string, { streams, jobs }: Watch): void {
    const used = this.#used.get(caller)
    if (!used) return
    used.streams -= streams
    used.jobs -= jobs
    if (used.jobs <= 0) this.#used.delete(caller)
  }
}

function tooMany(detail: string): ProblemError {
  return new ProblemError('too-many-requests', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
}
