import { ProxyError } from '../problem.ts'

/** A bounded number of calls at once, and a bounded queue for the rest, first come first served. */
export class ConcurrencyLimit {
  readonly #limit: number
  readonly #maxQueue: number
  #running = 0
  readonly #queue = new Set<() => void>()

  /**
   * @param limit calls at once
   * @param maxQueue calls waiting for a place
   */
  constructor(limit: number, maxQueue: number) {
    this.#limit = limit
    this.#maxQueue = maxQueue
  }

  /**
   * Runs the work as soon as there is a place for it.
   * @param signal ends the wait, not the work
   * @throws ProxyError `overloaded` at once if the queue is full; `upstream-timeout` if the signal aborts first
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running += 1
    else await this.#place(signal)
    try {
      return await work()
    } finally {
      // The place goes to the next in line without ever being free.
      const next = this.#queue.values().next().value
      if (next) next()
      else this.#running -= 1
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
      const take = () => settle(resolve)
      const leave = () => settle(() => reject(new ProxyError('upstream-timeout')))
      this.#queue.add(take)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
