import { SlidingWindowCounter } from '../../limits/sliding-window-counter.ts'

const WINDOW_MS = 10_000
/** Retries per read, so that retries do not overload a failing CDF. */
const RATIO = 0.1
/** Always allowed per window, so that retries work at low load. */
const MIN_RETRIES = 20

/** Limits retries to a ratio of the recent reads. */
export class RetryBudget {
  readonly #reads: SlidingWindowCounter
  readonly #retries: SlidingWindowCounter

  /** @param now monotonic clock, milliseconds */
  constructor(now: () => number) {
    this.#reads = new SlidingWindowCounter(WINDOW_MS, now)
    this.#retries = new SlidingWindowCounter(WINDOW_MS, now)
  }

  /** Counts a read. */
  countRead(): void {
    this.#reads.add()
  }

  /** Takes one retry; false if none is left. */
  take(): boolean {
    if (this.#retries.value >= Math.max(MIN_RETRIES, this.#reads.value * RATIO)) return false
    this.#retries.add()
    return true
  }
}
