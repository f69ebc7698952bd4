import type { Clock } from '../../async/clock.ts'
import { ProblemError } from '../../problems/problem.ts'
import type { Attempt } from '../attempt.ts'
import type { CallPause, LimitedReplica } from '../shared-limits.ts'
import type { BreakerCall, CircuitBreaker } from './circuit-breaker.ts'
import type { ConcurrencyLimit } from './concurrency-limit.ts'
import type { CoolDown } from './cool-down.ts'
import type { WaitingCallers } from './waiting-callers.ts'

/** Options of {@link UpstreamPolicy}. */
export interface UpstreamPolicyOptions extends Pick<Clock, 'random'> {
  concurrency: ConcurrencyLimit
  coolDown: CoolDown
  breaker: CircuitBreaker
  /** Called when CDF has throttled a call, or the breaker has opened. */
  onPause: (pause: CallPause) => void
}

/** Up to this ratio is added to `Retry-After` at random, so that callers do not return at the same time. */
const JITTER = 0.1
const MAX_RETRY_AFTER_SECONDS = 60
/** A shorter pause of another replica is the end of one that this replica has already had. */
const MIN_ADOPTED_MS = 100

/** Decides about every call to CDF: cool-down after a 429, circuit breaker, and concurrency limit. */
export class UpstreamPolicy implements LimitedReplica {
  readonly #options: UpstreamPolicyOptions

  constructor(options: UpstreamPolicyOptions) {
    this.#options = options
  }

  /** Why no call is allowed now: `upstream-throttled` or `upstream-unavailable`. `undefined` = calls are allowed. */
  rejection(): ProblemError | undefined {
    const { coolDown, breaker } = this.#options
    const coolDownMs = coolDown.remainingMs
    if (coolDownMs > 0) return this.#problem('upstream-throttled', coolDownMs)
    const { openMs } = breaker
    return openMs > 0 ? this.#problem('upstream-unavailable', openMs) : undefined
  }

  /** @throws the {@link rejection} */
  assertCallsAllowed(): void {
    const problem = this.rejection()
    if (problem) throw problem
  }

  /**
   * Runs a call as soon as a slot is free, and records its result.
   * @param signal ends the wait for a slot
   * @param callers who wait for the call
   * @throws ProblemError `upstream-throttled` or `upstream-unavailable`, also during the wait; those of
   *   {@link ConcurrencyLimit.run}
   */
  async run(
    signal: AbortSignal,
    callers: WaitingCallers,
    call: () => Promise<Attempt>,
  ): Promise<Attempt> {
    const { concurrency, breaker } = this.#options
    this.assertCallsAllowed()
    return concurrency.run(signal, callers, async () => {
      // Another call may have failed between the end of the wait and this.
      this.assertCallsAllowed()
      const entered = breaker.enter()
      let attempt: Attempt | undefined
      try {
        attempt = await call()
      } finally {
        if (attempt && !('aborted' in attempt)) this.#record(entered, attempt)
        else breaker.abandon(entered)
      }
      return this.#withCoolDown(attempt)
    })
  }

  /** Number of calls in flight. */
  get callsInFlight(): number {
    return this.#options.concurrency.load.running
  }

  /** Sets how many calls may be in flight; 0 = calls wait. */
  setMaxConcurrency(maxConcurrency: number): void {
    this.#options.concurrency.setMaximum(maxConcurrency)
  }

  /** Pauses because another replica was throttled, or its circuit breaker has opened. */
  adoptPause({ coolDownMs, openMs }: CallPause): void {
    const { concurrency, coolDown, breaker } = this.#options
    if (coolDownMs >= MIN_ADOPTED_MS && coolDown.extend(coolDownMs)) concurrency.halve()
    if (openMs >= MIN_ADOPTED_MS) breaker.openFor(openMs)
    this.#rejectQueued()
  }

  #record(entered: BreakerCall, attempt: Attempt): void {
    const { concurrency, coolDown, breaker } = this.#options
    const error = 'error' in attempt ? attempt.error : undefined
    const code = error?.code
    const failed = code === 'upstream-error' || code === 'upstream-timeout'
    breaker.report(entered, failed)
    if (code === 'upstream-throttled') {
      if (coolDown.throttled(error?.ownRetryAfterSeconds)) concurrency.halve()
    } else if (!failed) {
      coolDown.answered()
      if (code === undefined || code === 'job-not-found') concurrency.succeeded()
    }
    const pause = { coolDownMs: coolDown.remainingMs, openMs: breaker.openMs }
    if (code === 'upstream-throttled' || (failed && pause.openMs > 0)) this.#options.onPause(pause)
    this.#rejectQueued()
  }

  #rejectQueued(): void {
    const problem = this.rejection()
    // A new problem for each waiting call, because the jitter differs.
    if (problem) this.#options.concurrency.rejectQueued(() => this.rejection() ?? problem)
  }

  /** Replaces the `Retry-After` of a throttled attempt by the cool-down, which is the same for all callers. */
  #withCoolDown(attempt: Attempt): Attempt {
    if (!('error' in attempt) || attempt.error.code !== 'upstream-throttled') return attempt
    const { upstream } = attempt.error
    const retryAfterSeconds = Math.ceil(this.#options.coolDown.remainingMs / 1000)
    return {
      ...attempt,
      error: new ProblemError('upstream-throttled', { upstream, retryAfterSeconds }),
    }
  }

  #problem(code: 'upstream-throttled' | 'upstream-unavailable', waitMs: number): ProblemError {
    const seconds = Math.ceil((waitMs * (1 + JITTER * this.#options.random())) / 1000)
    return new ProblemError(code, { retryAfterSeconds: Math.min(seconds, MAX_RETRY_AFTER_SECONDS) })
  }
}
