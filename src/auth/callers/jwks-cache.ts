import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../async/clock.ts'
import { ProblemError } from '../../problems/problem.ts'
import { type IssuerKeys, KeySet } from './key-set.ts'

interface JwksCacheOptions extends Pick<Clock, 'now'> {
  fetchJwks: () => Promise<IssuerKeys>
  /** Called after each fetch with the number of keys or the error. */
  onFetch: (outcome: { keys: number } | { error: unknown }) => void
}

/** Issuers publish a new key well before they sign with it. */
const REFRESH_INTERVAL_MS = 10 * 60_000
/** The last good keys are used this long during an outage of the issuer. */
const MAX_AGE_MS = 24 * 60 * 60_000
/** Tokens with an unknown key cause at most one fetch in this time. */
const UNKNOWN_KEY_INTERVAL_MS = 30_000
/** Delay after a failed fetch. */
const RETRY_MS = { withKeys: 30_000, withoutKeys: 1_000 }

/**
 * The JWKS of the callers' issuer. (jose's `createRemoteJWKSet` rejects every token ten minutes after an outage of the issuer
 * has begun.)
 */
export class JwksCache {
  readonly #options: JwksCacheOptions
  #last: { set: KeySet; json: string; fetchedAtMs: number } | undefined
  #inFlight: Promise<KeySet> | undefined
  readonly #listeners = new Set<() => void>()
  #retryNotBeforeMs = Number.NEGATIVE_INFINITY
  #unknownKeyNotBeforeMs = Number.NEGATIVE_INFINITY

  constructor(options: JwksCacheOptions) {
    this.#options = options
  }

  /** Age of the keys in milliseconds; NaN without keys. */
  get ageMs(): number {
    return this.#options.now() - (this.#last?.fetchedAtMs ?? Number.NaN)
  }

  /**
   * Calls the listener each time that the keys have changed.
   * @returns unsubscribe
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The cached keys, unless they are older than a day. The same object until they change. */
  current(): KeySet | undefined {
    return this.ageMs < MAX_AGE_MS ? this.#last?.set : undefined
  }

  /**
   * The cached keys, else the result of a fetch.
   * @throws ProblemError `caller-keys-unavailable`
   */
  async get(): Promise<KeySet> {
    const current = this.current()
    if (current) return current
    const isTooEarly = !this.#inFlight && this.#options.now() < this.#retryNotBeforeMs
    const fetched = isTooEarly ? undefined : await this.#fetch().catch(() => undefined)
    if (!fetched) throw new ProblemError('caller-keys-unavailable')
    return fetched
  }

  /** Fetches the keys again for a token with an unknown key; `undefined` if that failed or was done recently. */
  async refetch(): Promise<KeySet | undefined> {
    const nowMs = this.#options.now()
    if (!this.#inFlight && nowMs < this.#unknownKeyNotBeforeMs) return undefined
    if (!this.#inFlight) this.#unknownKeyNotBeforeMs = nowMs + UNKNOWN_KEY_INTERVAL_MS
    return this.#fetch().catch(() => undefined)
  }

  /**
   * Fetches the keys, and refreshes them until the signal aborts. Never rejects and does not keep the process alive.
   * @param wait for tests
   */
  async startRefreshing(signal: AbortSignal, wait = pause): Promise<void> {
    while (!signal.aborted) {
      const succeeded = await this.#fetch().then(
        () => true,
        () => false,
      )
      await wait(succeeded ? REFRESH_INTERVAL_MS : this.#retryMs, signal)
    }
  }

  get #retryMs(): number {
    return this.current() ? RETRY_MS.withKeys : RETRY_MS.withoutKeys
  }

  #fetch(): Promise<KeySet> {
    this.#inFlight ??= this.#fetchNow().finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #fetchNow(): Promise<KeySet> {
    const { fetchJwks, now, onFetch } = this.#options
    try {
      const jwks = await fetchJwks()
      const json = JSON.stringify(jwks)
      const previous = this.#last
      const set = json === previous?.json ? previous.set : new KeySet(jwks)
      this.#last = { set, json, fetchedAtMs: now() }
      onFetch({ keys: jwks.keys.length })
      if (previous && set !== previous.set) for (const listener of this.#listeners) listener()
      return set
    } catch (error) {
      this.#retryNotBeforeMs = now() + this.#retryMs
      onFetch({ error })
      throw error
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {})
}
