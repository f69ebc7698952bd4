import { ProxyError } from '../problem.ts'
import { RecentCount } from '../recent-count.ts'

/** What the token endpoint granted. */
export interface TokenGrant {
  accessToken: string
  /** Seconds, as the token endpoint says; absent if it does not say. */
  expiresInSeconds?: number | undefined
}

/** An access token in use. The object, not the text, is its identity for {@link TokenProvider.invalidate}. */
export interface AccessToken {
  readonly value: string
  /** When it was asked for; milliseconds of the provider's clock. */
  readonly askedAtMs: number
  /** From here on a new one is fetched in the background; milliseconds of the provider's clock. */
  readonly renewAtMs: number
  /** From here on it is not used any more. */
  readonly expiresAtMs: number
}

/** What a {@link TokenProvider} works with. */
export interface TokenProviderOptions {
  /** One exchange; throws ProxyError `identity-provider-rejected` or `identity-provider-unavailable`. */
  exchange: (traceparent: string | undefined) => Promise<TokenGrant>
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** Told of each exchange: the lifetime granted in seconds, or why there is none. */
  onExchange: (outcome: { lifetimeSeconds: number } | { error: unknown }) => void
}

/** RFC 6749 §5.1 lets `expires_in` be absent; then the token is taken for a short-lived one, never for an eternal one. */
const DEFAULT_LIFETIME_SECONDS = 300
/** No token is used for longer than a day, whatever the token endpoint says. */
const MAX_LIFETIME_SECONDS = 86_400
/** A token is renewed when less than this is left, or than a tenth of its lifetime, but at most half of it. */
const RENEWAL_SECONDS = 60
/** A client that was refused will be refused again until somebody mends it: ask no more often than this. */
const REFUSED_RETRY_MS = 30_000
/** An identity provider that failed twice in a row is asked again after this long, doubling up to the greatest. */
const FAILED_RETRY_MS = { first: 100, greatest: 2_000 }
/** While the old token still serves, a failed renewal is tried again after this. */
const RENEWAL_RETRY_MS = 5_000
/** CDF may refuse this many tokens within the window before the next refusal no longer drops one: a 401 storm (wrong
 * project or audience) must not become a storm of exchanges at the identity provider. */
const MAX_INVALIDATIONS = 10
const INVALIDATIONS_WINDOW_MS = 30_000

/**
 * The service's one access token towards CDF: one exchange in flight whoever asks, renewed in the background before it
 * ends while requests go on with the old one.
 */
export class TokenProvider {
  readonly #options: TokenProviderOptions
  #token: AccessToken | undefined
  #inFlight: Promise<AccessToken> | undefined
  /** No exchange before this time; the last failure is the answer until then. */
  #blocked: { untilMs: number; error: unknown } | undefined
  #failuresInARow = 0
  #renewNotBeforeMs = 0
  readonly #invalidations: RecentCount

  constructor(options: TokenProviderOptions) {
    this.#options = options
    this.#invalidations = new RecentCount(INVALIDATIONS_WINDOW_MS, options.now)
  }

  /** Age of the token in use, in milliseconds; NaN without one. */
  get tokenAgeMs(): number {
    return this.#options.now() - (this.#token?.askedAtMs ?? Number.NaN)
  }

  /**
   * A token that has not ended.
   * @param signal ends the wait of this caller; the exchange goes on for the others
   * @param traceparent of the caller, whose trace an exchange belongs to if it begins one; those who join it do not show
   * @throws ProxyError `identity-provider-rejected` or `identity-provider-unavailable`, also when the signal aborts
   */
  async get(signal?: AbortSignal, traceparent?: string): Promise<AccessToken> {
    const nowMs = this.#options.now()
    const token = this.#token
    if (!token || nowMs >= token.expiresAtMs) return waitFor(this.#exchange(traceparent), signal)
    // The renewal is nobody's request: a trace of its own, and its failure is reported through onExchange.
    if (nowMs >= token.renewAtMs && nowMs >= this.#renewNotBeforeMs)
      this.#exchange().catch(() => {})
    return token
  }

  /**
   * Drops exactly this token, because CDF refused it; a newer one stays. A hundred parallel refusals of one token lead
   * to one exchange.
   */
  invalidate(token: AccessToken): void {
    if (token !== this.#token) return
    if (this.#invalidations.value >= MAX_INVALIDATIONS) return
    this.#invalidations.add()
    this.#token = undefined
  }

  #exchange(traceparent?: string): Promise<AccessToken> {
    if (this.#blocked && this.#options.now() < this.#blocked.untilMs)
      return Promise.reject(this.#blockedError())
    this.#inFlight ??= this.#exchangeNow(traceparent).finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #exchangeNow(traceparent: string | undefined): Promise<AccessToken> {
    const { exchange, now, onExchange } = this.#options
    // The lifetime counts from when the token endpoint issued the token, which is not before the request.
    const askedAtMs = now()
    try {
      const grant = await exchange(traceparent)
      const lifetimeSeconds = clampLifetime(grant.expiresInSeconds)
      const marginSeconds = Math.min(
        lifetimeSeconds / 2,
        Math.max(RENEWAL_SECONDS, lifetimeSeconds / 10),
      )
      this.#token = {
        value: grant.accessToken,
        askedAtMs,
        renewAtMs: askedAtMs + (lifetimeSeconds - marginSeconds) * 1000,
        expiresAtMs: askedAtMs + lifetimeSeconds * 1000,
      }
      this.#blocked = undefined
      this.#failuresInARow = 0
      onExchange({ lifetimeSeconds })
      return this.#token
    } catch (error) {
      this.#failuresInARow += 1
      this.#renewNotBeforeMs = now() + RENEWAL_RETRY_MS
      this.#blocked = { untilMs: now() + this.#blockAfter(error), error }
      onExchange({ error })
      throw this.#blockedError()
    }
  }

  /** How long no exchange may follow a failed one: a refusal lasts, who is told to wait waits, and a storm is none. */
  #blockAfter(error: unknown): number {
    if (!(error instanceof ProxyError)) return 0
    if (error.code === 'identity-provider-rejected') return REFUSED_RETRY_MS
    if (error.retryAfterSeconds !== undefined) return error.retryAfterSeconds * 1000
    // The first failure may be over already.
    return this.#failuresInARow === 1
      ? 0
      : Math.min(FAILED_RETRY_MS.first * 2 ** (this.#failuresInARow - 2), FAILED_RETRY_MS.greatest)
  }

  /** The last failure, with what is left of the time to wait. */
  #blockedError(): unknown {
    const { untilMs = 0, error } = this.#blocked ?? {}
    const leftMs = untilMs - this.#options.now()
    if (!(error instanceof ProxyError) || leftMs < 1000) return error
    return new ProxyError(error.code, {
      cause: error.cause,
      retryAfterSeconds: Math.ceil(leftMs / 1000),
    })
  }
}

function clampLifetime(seconds = DEFAULT_LIFETIME_SECONDS): number {
  return Number.isFinite(seconds)
    ? Math.min(Math.max(seconds, 0), MAX_LIFETIME_SECONDS)
    : DEFAULT_LIFETIME_SECONDS
}

function waitFor<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const leave = () =>
      reject(new ProxyError('identity-provider-unavailable', { cause: signal.reason }))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
