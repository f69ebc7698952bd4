/** What a {@link CoolDown} works with. */
export interface CoolDownOptions {
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** 0 ≤ random() < 1. */
  random: () => number
}

/** Without a word from CDF: this long at first, doubling up to the greatest while CDF goes on throttling. */
const DELAY_MS = { first: 1_000, greatest: 30_000 }
/** So much is added at random, so that several instances do not come back together. */
const JITTER = 0.2

/**
 * The time in which CDF is left alone after a 429. CDF throttles one identity as a whole and counts throttled requests
 * too, so that it holds for every job; and it gives no `Retry-After`, so that the length is ours to find.
 * @see https://docs.cognite.com/dev/concepts/request_throttling
 */
export class CoolDown {
  readonly #options: CoolDownOptions
  #untilMs = Number.NEGATIVE_INFINITY
  #throttledInARow = 0

  constructor(options: CoolDownOptions) {
    this.#options = options
  }

  /** What is left of it, in milliseconds; 0 when CDF may be asked. */
  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#options.now())
  }

  /**
   * CDF has throttled a request. Requests that were under way together are throttled together: they count as one.
   * @param retryAfterSeconds what CDF asks for, if it does
   * @returns whether this began a cool-down
   */
  throttled(retryAfterSeconds: number | undefined): boolean {
    const { now, random } = this.#options
    const begins = this.leftMs === 0
    const ownMs = Math.min(DELAY_MS.first * 2 ** this.#throttledInARow, DELAY_MS.greatest)
    if (begins) this.#throttledInARow += 1
    if (retryAfterSeconds !== undefined) {
      // A short time that CDF names again and again helps no more than one that it does not name.
      const delayMs = begins ? Math.max(ownMs, retryAfterSeconds * 1000) : retryAfterSeconds * 1000
      this.#untilMs = Math.max(this.#untilMs, now() + delayMs)
    } else if (begins) {
      this.#untilMs = now() + ownMs * (1 + JITTER * random())
    }
    return begins
  }

  /** CDF has answered a request: the next cool-down is a short one again. */
  answered(): void {
    if (this.leftMs === 0) this.#throttledInARow = 0
  }
}
