import { ProblemError } from '../../problems/problem.ts'
import { FairQueue } from './fair-queue.ts'
import type { WaitingCallers } from './waiting-callers.ts'

/** This many successes raise the limit by one. */
const SUCCESSES_TO_GROW = 10

/**
 * Limits concurrent calls, with a bounded queue that serves callers in turn. CDF throttles an identity by concurrency too, but
 * does not publish the limit, so a 429 halves this limit and successes raise it again.
 */
export class ConcurrencyLimit {
  #maxLimit: number
  readonly #maxQueue: number
  /** What 429s have left of the limit. */
  #adaptiveLimit: number
  #successes = 0
  #running = 0
  /** Called without a problem, a waiting call starts; with a problem, it fails. */
  readonly #queue = new FairQueue<(problem?: ProblemError) => void>()

  /**
   * @param limit greatest number of concurrent calls
   * @param maxQueue greatest number of waiting calls
   */
  constructor(limit: number, maxQueue: number) {
    this.#maxLimit = limit
    this.#adaptiveLimit = limit
    this.#maxQueue = maxQueue
  }

  /** Numbers of running and waiting calls, and the current limit. */
  get load(): { running: number; waiting: number; limit: number } {
    return { running: this.#running, waiting: this.#queue.size, limit: this.#limit }
  }

  /**
   * Runs the work as soon as a slot is free.
   * @param signal ends the wait, not the work
   * @param callers who wait for the work; their turns decide when it runs
   * @throws ProblemError `overloaded` if the queue is full, `upstream-timeout` if the signal aborts the wait
   */
  async run<T>(signal: AbortSignal, callers: WaitingCallers, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await this.#waitForSlot(signal, callers)
    else this.#running += 1
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#advance()
    }
  }

  /** Changes the greatest limit; 0 = calls wait. Running calls are not affected. */
  setMaximum(limit: number): void {
    this.#maxLimit = limit
    this.#advance()
  }

  /** Halves the limit, to at least 1. */
  halve(): void {
    this.#adaptiveLimit = Math.max(1, Math.floor(this.#limit / 2))
    this.#successes = 0
  }

  /** Counts a success. */
  succeeded(): void {
    this.#successes += 1
    if (this.#successes < SUCCESSES_TO_GROW || this.#adaptiveLimit >= this.#maxLimit) return
    this.#successes = 0
    this.#adaptiveLimit += 1
    this.#advance()
  }

  /** Rejects all waiting calls. */
  rejectQueued(problem: () => ProblemError): void {
    for (const settle of this.#queue.entries()) settle(problem())
  }

  get #limit(): number {
    return Math.min(this.#adaptiveLimit, this.#maxLimit)
  }

  #advance(): void {
    while (this.#running < this.#limit) {
      const settle = this.#queue.take()
      if (!settle) return
      settle()
    }
  }

  #waitForSlot(signal: AbortSignal, callers: WaitingCallers): Promise<void> {
    if (signal.aborted) throw new ProblemError('upstream-timeout')
    if (this.#queue.size >= this.#maxQueue) this.#evictFor(callers)
    return new Promise((resolve, reject) => {
      const settle = (problem?: ProblemError) => {
        unfollow()
        this.#queue.delete(settle)
        signal.removeEventListener('abort', onAbort)
        if (problem) return reject(problem)
        this.#running += 1
        resolve()
      }
      const onAbort = () => settle(new ProblemError('upstream-timeout'))
      signal.addEventListener('abort', onAbort, { once: true })
      const unfollow = callers.follow((caller) => this.#queue.add(settle, caller))
    })
  }

  /** A full queue rejects a call of the caller with most calls in it, which may be the new one. */
  #evictFor(callers: WaitingCallers): void {
    const evicted = this.#queue.evictFor(callers.keys)
    if (!evicted) throw new ProblemError('overloaded')
    evicted(new ProblemError('overloaded'))
  }
}
