import { RecentCount } from '../recent-count.ts'

/** What a {@link CircuitBreaker} works with. */
export interface CircuitBreakerOptions {
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** Told when it opens or closes. */
  onChange: (state: 'open' | 'closed') => void
}

/** A call as the breaker knows it. */
export interface BreakerCall {
  readonly isProbe: boolean
  /** What belongs to the time before the circuit opened says nothing of the time after. */
  readonly era: number
}

/** It opens after so many failures in a row … */
const MAX_FAILURES_IN_A_ROW = 5
/** … or when half of at least so many calls in this time have failed. */
const WINDOW = { ms: 10_000, minCalls: 10, failureRatio: 0.5 }
/** It stays open this long, doubling with each probe that fails up to the greatest. */
const OPEN_MS = { first: 5_000, greatest: 30_000 }

/**
 * Leaves a failing CDF alone: after several failures no call is made for a while, then exactly one, and only its success
 * lets the others through again.
 *
 * Our own, since cockatiel's reads the wall clock, lets callers wait for the probe instead of refusing them at once, and
 * does not tell when the next one is due, which is what callers are told.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #calls: RecentCount
  readonly #failures: RecentCount
  #failuresInARow = 0
  /** How often it has opened since it was last closed; 0 = closed. */
  #opened = 0
  #openUntilMs = 0
  #isProbing = false
  #era = 0

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#calls = new RecentCount(WINDOW.ms, options.now)
    this.#failures = new RecentCount(WINDOW.ms, options.now)
  }

  /** Half open is the time of the probe, from when it may be made until it has ended. */
  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#opened === 0) return 'closed'
    return this.#isProbing || this.openMs === 0 ? 'half-open' : 'open'
  }

  /** Milliseconds until a call may be made; 0 = now. While the probe is under way, nobody knows: the shortest time. */
  get openMs(): number {
    if (this.#opened === 0) return 0
    if (this.#isProbing) return OPEN_MS.first
    return Math.max(0, this.#openUntilMs - this.#options.now())
  }

  /** A call is made, which must end by {@link report} or {@link abandon}; when half open, it is the probe. */
  enter(): BreakerCall {
    const isProbe = this.#opened > 0
    if (isProbe) this.#isProbing = true
    return { isProbe, era: this.#era }
  }

  /** A call has ended: it failed, or CDF has answered, whatever it said. */
  report(call: BreakerCall, failed: boolean): void {
    if (call.isProbe) {
      this.#isProbing = false
      if (failed) this.#open()
      else this.#close()
    } else if (this.#opened === 0 && call.era === this.#era) {
      this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0
      this.#calls.add()
      if (!failed) return
      this.#failures.add()
      if (this.#failuresInARow >= MAX_FAILURES_IN_A_ROW || this.#isHalfFailed()) this.#open()
    }
  }

  /** A call has ended without telling anything of CDF, since nobody waited for it any more. */
  abandon(call: BreakerCall): void {
    if (call.isProbe) this.#isProbing = false
  }

  #open(): void {
    const openMs = Math.min(OPEN_MS.first * 2 ** this.#opened, OPEN_MS.greatest)
    this.#opened += 1
    this.#openUntilMs = this.#options.now() + openMs
    if (this.#opened === 1) this.#options.onChange('open')
  }

  #close(): void {
    this.#opened = 0
    this.#era += 1
    this.#failuresInARow = 0
    this.#calls.reset()
    this.#failures.reset()
    this.#options.onChange('closed')
  }

  #isHalfFailed(): boolean {
    const calls = this.#calls.value
    return calls >= WINDOW.minCalls && this.#failures.value >= calls * WINDOW.failureRatio
  }
}
