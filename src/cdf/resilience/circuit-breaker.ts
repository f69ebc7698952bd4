import type { Clock } from '../../async/clock.ts'
import { SlidingWindowCounter } from '../../limits/sliding-window-counter.ts'

/** Options of {@link CircuitBreaker}. */
export interface CircuitBreakerOptions extends Pick<Clock, 'now'> {
  onChange: (state: 'open' | 'closed') => void
}

/** A call in progress. */
export interface BreakerCall {
  readonly isProbe: boolean
  /** Increases each time the breaker closes. The result of a call of an earlier generation is ignored. */
  readonly generation: number
}

/** This many failures in a row open the breaker. */
const MAX_FAILURES_IN_A_ROW = 5
/** So does this ratio of failures among the calls of the last `ms`, if there are at least `minCalls`. */
const WINDOW = { ms: 10_000, minCalls: 10, failureRatio: 0.5 }
/** How long the breaker stays open: `min` at first, doubling with each failed probe up to `max`. */
const OPEN_MS = { min: 5_000, max: 30_000 }

/**
 * A circuit breaker: opens after repeated failures, lets one probe through after a while, and closes if the probe
 * succeeds. (That of cockatiel lets callers wait for the probe, and does not say when it is due, as `Retry-After` needs.)
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #calls: SlidingWindowCounter
  readonly #failures: SlidingWindowCounter
  #failuresInARow = 0
  /** How often it has opened since it was closed; 0 = closed. */
  #timesOpened = 0
  #openUntilMs = 0
  #isProbing = false
  #generation = 0

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#calls = new SlidingWindowCounter(WINDOW.ms, options.now)
    this.#failures = new SlidingWindowCounter(WINDOW.ms, options.now)
  }

  /** `half-open` = the probe is due or in progress. */
  get state(): 'closed' | 'open' | 'half-open' {
    if (this.#timesOpened === 0) return 'closed'
    return this.#isProbing || this.openMs === 0 ? 'half-open' : 'open'
  }

  /** Milliseconds until a call is allowed; 0 = now. An estimate while a probe is in progress. */
  get openMs(): number {
    if (this.#timesOpened === 0) return 0
    if (this.#isProbing) return OPEN_MS.min
    return Math.max(0, this.#openUntilMs - this.#options.now())
  }

  /** Opens for a time, because the breaker of another replica is open. */
  openFor(openMs: number): void {
    if (this.#isProbing) return
    this.#openUntilMs = Math.max(this.#openUntilMs, this.#options.now() + openMs)
    if (this.#timesOpened > 0) return
    this.#timesOpened = 1
    this.#options.onChange('open')
  }

  /** Starts a call, the probe if the breaker is half open. It must end with {@link report} or {@link abandon}. */
  enter(): BreakerCall {
    const isProbe = this.#timesOpened > 0
    if (isProbe) this.#isProbing = true
    return { isProbe, generation: this.#generation }
  }

  /** Ends a call with its result. */
  report(call: BreakerCall, failed: boolean): void {
    if (call.isProbe) {
      this.#isProbing = false
      if (failed) this.#open()
      else this.#close()
    } else if (this.#timesOpened === 0 && call.generation === this.#generation) {
      this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0
      this.#calls.add()
      if (!failed) return
      this.#failures.add()
      if (this.#failuresInARow >= MAX_FAILURES_IN_A_ROW || this.#exceedsFailureRatio()) this.#open()
    }
  }

  /** Ends a call without a result, for example because its caller has left. */
  abandon(call: BreakerCall): void {
    if (call.isProbe) this.#isProbing = false
  }

  #open(): void {
    const openMs = Math.min(OPEN_MS.min * 2 ** this.#timesOpened, OPEN_MS.max)
    this.#timesOpened += 1
    this.#openUntilMs = this.#options.now() + openMs
    if (this.#timesOpened === 1) this.#options.onChange('open')
  }

  #close(): void {
    this.#timesOpened = 0
    this.#generation += 1
    this.#failuresInARow = 0
    this.#calls.reset()
    this.#failures.reset()
    this.#options.onChange('closed')
  }

  #exceedsFailureRatio(): boolean {
    const calls = this.#calls.value
    return calls >= WINDOW.minCalls && this.#failures.value >= calls * WINDOW.failureRatio
  }
}
