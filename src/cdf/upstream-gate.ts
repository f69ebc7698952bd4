import { ProxyError } from '../problem.ts'
import type { Attempt } from './attempt.ts'
import type { BreakerCall, CircuitBreaker } from './circuit-breaker.ts'
import type { ConcurrencyLimit } from './concurrency-limit.ts'
import type { CoolDown } from './cool-down.ts'

/** What an {@link UpstreamGate} is made of. */
export interface UpstreamGateOptions {
  concurrency: ConcurrencyLimit
  coolDown: CoolDown
  breaker: CircuitBreaker
  /** 0 ≤ random() < 1, to spread those who are told to come back. */
  random: () => number
}

/** Those who are told to come back are spread over this share of the time to wait … */
const SPREAD = 0.1
/** … but nobody is told to wait for longer than CDF may ask. */
const MAX_SECONDS = 60

/** What every call to CDF passes: not while CDF throttles, not while it is down, and not too many at once. */
export class UpstreamGate {
  readonly #options: UpstreamGateOptions

  constructor(options: UpstreamGateOptions) {
    this.#options = options
  }

  /** Why no call may be made now, if none may; asked once for each decision, since it changes with the clock. */
  closedBy(): ProxyError | undefined {
    const { coolDown, breaker } = this.#options
    const throttledMs = coolDown.leftMs
    if (throttledMs > 0) {
      return new ProxyError('upstream-throttled', { retryAfterSeconds: this.#spread(throttledMs) })
    }
    const openMs = breaker.openMs
    return openMs > 0
      ? new ProxyError('upstream-unavailable', { retryAfterSeconds: this.#spread(openMs) })
      : undefined
  }

  /** @throws what {@link closedBy} says */
  assertOpen(): void {
    const problem = this.closedBy()
    if (problem) throw problem
  }

  /**
   * Makes a call as soon as there is a place for it, and learns from how it ends.
   * @param signal ends the wait for a place
   * @throws ProxyError `upstream-throttled` or `upstream-unavailable` as soon as it is so, `overloaded` at once, and
   *   `upstream-timeout` when the signal aborts first
   */
  async run(signal: AbortSignal, call: () => Promise<Attempt>): Promise<Attempt> {
    const { concurrency, breaker } = this.#options
    this.assertOpen()
    return concurrency.run(signal, async () => {
      // Between the end of the wait and this, a call that was under way may have ended badly.
      this.assertOpen()
      const entered = breaker.enter()
      let attempt: Attempt | undefined
      try {
        attempt = await call()
      } finally {
        if (attempt && !('cutShort' in attempt)) this.#learn(entered, attempt)
        else breaker.abandon(entered)
      }
      return this.#withTimeToWait(attempt)
    })
  }

  #learn(entered: BreakerCall, attempt: Attempt): void {
    const { concurrency, coolDown, breaker } = this.#options
    const code = 'error' in attempt ? attempt.error.code : undefined
    const failed = code === 'upstream-error' || code === 'upstream-timeout'
    // A CDF that throttles is alive.
    breaker.report(entered, failed)
    if ('error' in attempt && code === 'upstream-throttled') {
      if (coolDown.throttled(attempt.error.retryAfterSeconds)) concurrency.halve()
    } else if (!failed) {
      coolDown.answered()
      if (code === undefined || code === 'job-not-found') concurrency.succeeded()
    }
    // Whoever waits is told now, not when a place is free.
    const problem = this.closedBy()
    if (problem) concurrency.turnAway(() => this.closedBy() ?? problem)
  }

  /** Who was throttled is told what the cool-down is, as everybody is from now on. */
  #withTimeToWait(attempt: Attempt): Attempt {
    if (!('error' in attempt) || attempt.error.code !== 'upstream-throttled') return attempt
    const { upstream } = attempt.error
    const retryAfterSeconds = Math.ceil(this.#options.coolDown.leftMs / 1000)
    return {
      ...attempt,
      error: new ProxyError('upstream-throttled', { upstream, retryAfterSeconds }),
    }
  }

  #spread(leftMs: number): number {
    const spreadMs = leftMs * (1 + SPREAD * this.#options.random())
    return Math.min(Math.ceil(spreadMs / 1000), MAX_SECONDS)
  }
}
