import { SlidingWindowCounter } from '../../limits/sliding-window-counter.ts'

const WINDOW_MS = 10_000
/** Retries per call, so that retries do not overload a failing CDF. */
const RATIO = 0.1
/** Always allowed per window, so that retries work at low load. */
const MIN_RETRIES = 20

/** Limits retries to a ratio of the recent calls. */
export class RetryBudget {
  readonly #calls: SlidingWindowCounter
  readonly #retries: SlidingWindowCounter

  /** @param now monotonic clock, milliseconds */
  constructor(now: () => number) {
    this.#calls = new SlidingWindowCounter(WINDOW_MS, now)
    this.#retries = new SlidingWindowCounter(WINDOW_MS, now)
  }

  /** Counts a call. */
  countCall(): void {
    this.#calls.add()
  }

  /** Takes one retry; false if none is left. */
  take(): boolean {
    if (this.#retries.value >= Math.max(MIN_RETRIES, this.#calls.value * RATIO)) return false
    this.#retries.add()
    return true
  }
}
