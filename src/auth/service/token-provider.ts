import type { Clock } from '../../async/clock.ts'
import { SlidingWindowCounter } from '../../limits/sliding-window-counter.ts'
import { ProblemError } from '../../problems/problem.ts'

/** A successful token response. */
export interface TokenGrant {
  accessToken: string
  /** `expires_in`, seconds; the token endpoint may omit it. */
  expiresInSeconds?: number | undefined
}

/** An access token. Times are on the clock of the provider, milliseconds. */
export interface AccessToken {
  readonly value: string
  readonly requestedAtMs: number
  /** From this time on, a new token is requested in the background. */
  readonly renewAtMs: number
  /** From this time on, the token is not used. */
  readonly expiresAtMs: number
}

/** Options of {@link TokenProvider}. */
export interface TokenProviderOptions extends Pick<Clock, 'now'> {
  /**
   * Sends one token request.
   * @throws ProblemError `identity-provider-rejected` or `identity-provider-unavailable`
   */
  requestToken: (traceparent: string | undefined) => Promise<TokenGrant>
  /** Called after each token request with the lifetime of the token or the error. */
  onTokenRequestEnd: (outcome: { lifetimeSeconds: number } | { error: unknown }) => void
}

/** Lifetime of a token without `expires_in`, which is optional (RFC 6749 §5.1). */
const DEFAULT_LIFETIME_SECONDS = 300
/** A longer `expires_in` is cut to a day. */
const MAX_LIFETIME_SECONDS = 86_400
/**
 * A token is used for this long whatever its `expires_in`, and not renewed earlier, so that a wrong `expires_in` causes
 * at most one token request in this time. If CDF rejects the token, it is replaced immediately.
 */
const MIN_USE_SECONDS = 10
/** A token is renewed this long before it expires, or a tenth of its lifetime if that is more, but at most half of it. */
const MIN_RENEWAL_SECONDS = 60
/** Delay after `identity-provider-rejected`, which needs a change by the operator. */
const REJECTED_RETRY_MS = 30_000
/** Delay after the second failure in a row, doubling with each further one up to `max`. */
const FAILED_RETRY_MS = { min: 100, max: 2_000 }
/** Delay after a failed renewal, while the old token is still valid. */
const RENEWAL_RETRY_MS = 5_000
/** Limits token requests if CDF rejects every token, for example because of a wrong audience. */
const INVALIDATIONS = { max: 10, windowMs: 30_000 }

/**
 * The access token of the service for CDF. Concurrent callers share one token request. A token is renewed in the
 * background before it expires; requests use the old one meanwhile.
 */
export class TokenProvider {
  readonly #options: TokenProviderOptions
  readonly #invalidations: SlidingWindowCounter
  #token: AccessToken | undefined
  #inFlight: Promise<AccessToken> | undefined
  /** The last failure. Until `retryAtMs`, it is the result instead of a new token request. */
  #failure: { retryAtMs: number; error: unknown } | undefined
  #failuresInARow = 0
  #renewNotBeforeMs = 0

  constructor(options: TokenProviderOptions) {
    this.#options = options
    this.#invalidations = new SlidingWindowCounter(INVALIDATIONS.windowMs, options.now)
  }

  /** Age of the token in milliseconds; NaN without a token. */
  get tokenAgeMs(): number {
    return this.#options.now() - (this.#token?.requestedAtMs ?? Number.NaN)
  }

  /**
   * A token that has not expired.
   * @param signal ends the wait of this caller, not the token request, which other callers share
   * @param traceparent for the token request, if this call starts one; default: a new trace
   * @throws ProblemError `identity-provider-rejected` or `identity-provider-unavailable`, also when the signal aborts
   */
  async get(signal?: AbortSignal, traceparent?: string): Promise<AccessToken> {
    const nowMs = this.#options.now()
    const token = this.#token
    if (!token || nowMs >= token.expiresAtMs)
      return untilAborted(this.#request(traceparent), signal)
    // A renewal belongs to no caller's trace. Its failure is reported through onTokenRequestEnd.
    if (nowMs >= token.renewAtMs && nowMs >= this.#renewNotBeforeMs) this.#request().catch(() => {})
    return token
  }

  /** Drops a token that CDF rejected. Does nothing if it is no longer the current one, or after too many invalidations. */
  invalidate(token: AccessToken): void {
    if (token !== this.#token || this.#invalidations.value >= INVALIDATIONS.max) return
    this.#invalidations.add()
    this.#token = undefined
  }

  #request(traceparent?: string): Promise<AccessToken> {
    if (this.#failure && this.#options.now() < this.#failure.retryAtMs)
      return Promise.reject(this.#failureNow())
    this.#inFlight ??= this.#requestNow(traceparent).finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #requestNow(traceparent: string | undefined): Promise<AccessToken> {
    const { requestToken, now, onTokenRequestEnd } = this.#options
    // The lifetime counts from before the request, because the token may be issued at any time during it.
    const requestedAtMs = now()
    try {
      const { accessToken, expiresInSeconds } = await requestToken(traceparent)
      const lifetimeSeconds = clampLifetime(expiresInSeconds)
      const renewalSeconds = Math.min(
        lifetimeSeconds / 2,
        Math.max(MIN_RENEWAL_SECONDS, lifetimeSeconds / 10),
      )
      this.#token = {
        value: accessToken,
        requestedAtMs,
        renewAtMs:
          requestedAtMs + Math.max(MIN_USE_SECONDS, lifetimeSeconds - renewalSeconds) * 1000,
        expiresAtMs: requestedAtMs + lifetimeSeconds * 1000,
      }
      this.#failure = undefined
      this.#failuresInARow = 0
      onTokenRequestEnd({ lifetimeSeconds })
      return this.#token
    } catch (error) {
      this.#failuresInARow += 1
      this.#renewNotBeforeMs = now() + RENEWAL_RETRY_MS
      this.#failure = { retryAtMs: now() + this.#retryDelayMs(error), error }
      onTokenRequestEnd({ error })
      throw this.#failureNow()
    }
  }

  #retryDelayMs(error: unknown): number {
    if (!(error instanceof ProblemError)) return 0
    if (error.code === 'identity-provider-rejected') return REJECTED_RETRY_MS
    if (error.ownRetryAfterSeconds !== undefined) return error.ownRetryAfterSeconds * 1000
    // A single failure is often over immediately.
    if (this.#failuresInARow === 1) return 0
    return Math.min(FAILED_RETRY_MS.min * 2 ** (this.#failuresInARow - 2), FAILED_RETRY_MS.max)
  }

  /** The last failure with the remaining delay as its `retryAfterSeconds`. */
  #failureNow(): unknown {
    const { retryAtMs = 0, error } = this.#failure ?? {}
    const remainingMs = retryAtMs - this.#options.now()
    if (!(error instanceof ProblemError) || remainingMs <= 0) return error
    // Also in the last second: without it, the problem would count as permanent.
    const retryAfterSeconds = Math.ceil(remainingMs / 1000)
    return new ProblemError(error.code, { cause: error.cause, retryAfterSeconds })
  }
}

function clampLifetime(seconds = DEFAULT_LIFETIME_SECONDS): number {
  return Number.isFinite(seconds)
    ? Math.min(Math.max(seconds, MIN_USE_SECONDS), MAX_LIFETIME_SECONDS)
    : DEFAULT_LIFETIME_SECONDS
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const leave = () =>
      reject(new ProblemError('identity-provider-unavailable', { cause: signal.reason }))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
