import type { Clock } from '../../async/clock.ts'

/** Length of a cool-down without `Retry-After`: `min` at first, doubling each time CDF throttles again, up to `max`. */
const DELAY_MS = { min: 1_000, max: 30_000 }
/** Up to this ratio is added at random, so that replicas do not return at the same time. */
const JITTER = 0.2

/**
 * The time without calls to CDF after a 429. It holds for all jobs, because CDF throttles an identity as a whole and
 * counts throttled requests too. CDF usually sends no `Retry-After`.
 * @see https://docs.cognite.com/dev/concepts/request_throttling
 */
export class CoolDown {
  readonly #options: Pick<Clock, 'now' | 'random'>
  #untilMs = Number.NEGATIVE_INFINITY
  #throttledInARow = 0

  constructor(options: Pick<Clock, 'now' | 'random'>) {
    this.#options = options
  }

  /** Remaining milliseconds; 0 = calls are allowed. */
  get remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#options.now())
  }

  /**
   * Records a 429. Further ones during the cool-down belong to requests that were already in flight; they do not extend
   * it, unless they have a `Retry-After`.
   * @param retryAfterSeconds from CDF, if it sent one
   * @returns whether a cool-down has started
   */
  throttled(retryAfterSeconds: number | undefined): boolean {
    const { now, random } = this.#options
    const starts = this.remainingMs === 0
    const backoffMs = Math.min(DELAY_MS.min * 2 ** this.#throttledInARow, DELAY_MS.max)
    if (starts) this.#throttledInARow += 1
    if (retryAfterSeconds !== undefined) {
      const retryAfterMs = retryAfterSeconds * 1000
      const delayMs = starts ? Math.max(backoffMs, retryAfterMs) : retryAfterMs
      this.#untilMs = Math.max(this.#untilMs, now() + delayMs)
    } else if (starts) {
      this.#untilMs = now() + backoffMs * (1 + JITTER * random())
    }
    return starts
  }

  /**
   * Extends the cool-down to a remaining time, because another replica was throttled.
   * @returns whether a cool-down has started
   */
  extend(remainingMs: number): boolean {
    const starts = this.remainingMs === 0
    if (starts) this.#throttledInARow += 1
    this.#untilMs = Math.max(this.#untilMs, this.#options.now() + remainingMs)
    return starts
  }

  /** Records another response. The next cool-down is short again. */
  answered(): void {
    if (this.remainingMs === 0) this.#throttledInARow = 0
  }
}
