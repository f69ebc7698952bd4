/** Of the calls of this time … */
const WINDOW_MS = 10_000
/** … so many may be repeated, so that a sick CDF is not hit twice as hard … */
const RATIO = 0.1
/** … and so many in any case, so that there is a retry at all where little is asked. */
const MIN_RETRIES = 20

/** How many retries there may be. */
export class RetryBudget {
  readonly #now: () => number
  #callsMs: number[] = []
  #retriesMs: number[] = []

  /** @param now monotonic clock, milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A call is made, which may be repeated one day. */
  countCall(): void {
    this.#callsMs = this.#recent(this.#callsMs)
    this.#callsMs.push(this.#now())
  }

  /** Whether one more retry fits; it is taken then. */
  take(): boolean {
    this.#retriesMs = this.#recent(this.#retriesMs)
    const limit = Math.max(MIN_RETRIES, this.#recent(this.#callsMs).length * RATIO)
    if (this.#retriesMs.length >= limit) return false
    this.#retriesMs.push(this.#now())
    return true
  }

  #recent(timesMs: number[]): number[] {
    const sinceMs = this.#now() - WINDOW_MS
    return timesMs[0] === undefined || timesMs[0] > sinceMs
      ? timesMs
      : timesMs.filter((atMs) => atMs > sinceMs)
  }
}
