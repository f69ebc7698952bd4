import { RecentCount } from '../recent-count.ts'

/** Of the calls of this time … */
const WINDOW_MS = 10_000
/** … so many may be repeated, so that a sick CDF is not hit twice as hard … */
const RATIO = 0.1
/** … and so many in any case, so that there is a retry at all where little is asked. */
const MIN_RETRIES = 20

/** How many retries there may be. */
export class RetryBudget {
  readonly #calls: RecentCount
  readonly #retries: RecentCount

  /** @param now monotonic clock, milliseconds */
  constructor(now: () => number) {
    this.#calls = new RecentCount(WINDOW_MS, now)
    this.#retries = new RecentCount(WINDOW_MS, now)
  }

  /** A call is made, which may be repeated one day. */
  countCall(): void {
    this.#calls.add()
  }

  /** Whether one more retry fits; it is taken then. */
  take(): boolean {
    if (this.#retries.value >= Math.max(MIN_RETRIES, this.#calls.value * RATIO)) return false
    this.#retries.add()
    return true
  }
}
