import { ProxyError } from '../problem.ts'

/** After so many successes there may be one call more. */
const SUCCESSES_TO_GROW = 10

/**
 * A bounded number of calls at once, and a bounded queue for the rest, first come first served. CDF throttles one
 * identity by concurrency too, without telling the limit: it is halved by a 429 and grows again with successes.
 */
export class ConcurrencyLimit {
  readonly #maxLimit: number
  readonly #maxQueue: number
  #limit: number
  #successes = 0
  #running = 0
  /** Each as what lets it in, or turns it away. */
  readonly #queue = new Set<(problem?: ProxyError) => void>()

  /**
   * @param limit calls at once, at most
   * @param maxQueue calls waiting for a place
   */
  constructor(limit: number, maxQueue: number) {
    this.#maxLimit = limit
    this.#limit = limit
    this.#maxQueue = maxQueue
  }

  /** Calls now, calls that wait, and how many there may be at once. */
  get load(): { running: number; waiting: number; limit: number } {
    return { running: this.#running, waiting: this.#queue.size, limit: this.#limit }
  }

  /**
   * Runs the work as soon as there is a place for it.
   * @param signal ends the wait, not the work
   * @throws ProxyError `overloaded` at once if the queue is full; `upstream-timeout` if the signal aborts first
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await this.#place(signal)
    else this.#running += 1
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#advance()
    }
  }

  /** CDF has throttled: half as many calls at once, at least one. */
  halve(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2))
    this.#successes = 0
  }

  /** A call has gone well. */
  succeeded(): void {
    this.#successes += 1
    if (this.#successes < SUCCESSES_TO_GROW || this.#limit >= this.#maxLimit) return
    this.#successes = 0
    this.#limit += 1
    this.#advance()
  }

  /** Turns away everybody in line: there is no use in waiting. */
  turnAway(problem: () => ProxyError): void {
    for (const enter of this.#queue) enter(problem())
  }

  /** Lets in who is next in line, as long as there are places. */
  #advance(): void {
    for (const enter of this.#queue) {
      if (this.#running >= this.#limit) return
      enter()
    }
  }

  #place(signal: AbortSignal): Promise<void> {
    if (this.#queue.size >= this.#maxQueue) throw new ProxyError('overloaded')
    if (signal.aborted) throw new ProxyError('upstream-timeout')
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        this.#queue.delete(take)
        signal.removeEventListener('abort', leave)
        end()
      }
      const take = (problem?: ProxyError) => {
        if (problem) return settle(() => reject(problem))
        this.#running += 1
        settle(resolve)
      }
      const leave = () => settle(() => reject(new ProxyError('upstream-timeout')))
      this.#queue.add(take)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
