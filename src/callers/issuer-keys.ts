import { setTimeout as sleep } from 'node:timers/promises'
import type { JSONWebKeySet } from 'jose'
import { createLocalJWKSet } from 'jose/jwks/local'
import { ProxyError } from '../problem.ts'

/** The public keys that callers' tokens may be signed with, as jose takes them. The same object as long as they stay the same. */
export type KeySet = ReturnType<typeof createLocalJWKSet>

/** What an {@link IssuerKeys} works with. */
export interface IssuerKeysOptions {
  /** Gets the key set of the issuer; rejects if it cannot be had. */
  fetchKeys: () => Promise<JSONWebKeySet>
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** Told of each fetch: how many keys there are, or why there are none. */
  onFetch: (outcome: { keys: number } | { error: unknown }) => void
}

/** Keys are fetched anew this often; issuers publish a new key well before they sign with it. */
const RENEW_AFTER_MS = 10 * 60_000
/** The last good keys serve this long through an outage of the issuer. */
const KEEP_MS = 24 * 60 * 60_000
/** A token whose key is not known costs at most one fetch in this time, whoever sends it. */
const UNKNOWN_KEY_INTERVAL_MS = 30_000
/** A failed fetch is not repeated sooner: with keys at hand there is no hurry, without any each second counts. */
const RETRY_MS = { withKeys: 30_000, withoutKeys: 1_000 }

/**
 * The key set of the issuer of callers' tokens. (jose's own remote set fails every token ten minutes after an outage
 * has begun, and renews itself only while somebody asks, so that a withdrawn key still opens the door in the morning.)
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  #kept: { set: KeySet; text: string; fetchedAtMs: number } | undefined
  #inFlight: Promise<KeySet> | undefined
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #unknownKeyNotBeforeMs = Number.NEGATIVE_INFINITY

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /** Age of the keys that were fetched last, in milliseconds; NaN without any. */
  get ageMs(): number {
    return this.#options.now() - (this.#kept?.fetchedAtMs ?? Number.NaN)
  }

  /** The keys at hand, at most a day old. */
  held(): KeySet | undefined {
    const kept = this.#kept
    return kept && this.#options.now() - kept.fetchedAtMs < KEEP_MS ? kept.set : undefined
  }

  /**
   * The keys at hand or, without any, those of a fetch.
   * @throws ProxyError `caller-keys-unavailable`
   */
  async get(): Promise<KeySet> {
    const held = this.held()
    if (held) return held
    const isTooEarly = !this.#inFlight && this.#options.now() < this.#notBeforeMs
    const fetched = isTooEarly ? undefined : await this.#fetch().catch(() => undefined)
    if (!fetched) throw new ProxyError('caller-keys-unavailable')
    return fetched
  }

  /** The keys after one more fetch, for a token whose key is not among them; `undefined` if it is too early for that. */
  async refetch(): Promise<KeySet | undefined> {
    const nowMs = this.#options.now()
    if (!this.#inFlight && nowMs < this.#unknownKeyNotBeforeMs) return undefined
    if (!this.#inFlight) this.#unknownKeyNotBeforeMs = nowMs + UNKNOWN_KEY_INTERVAL_MS
    return this.#fetch().catch(() => undefined)
  }

  /**
   * Fetches the keys and goes on doing so until the signal aborts, whether anybody asks or not. Never rejects and keeps
   * no process alive.
   * @param wait how to wait; a test's own
   */
  async keepFresh(signal: AbortSignal, wait = pause): Promise<void> {
    while (!signal.aborted) {
      const isFresh = await this.#fetch().then(
        () => true,
        () => false,
      )
      await wait(isFresh ? RENEW_AFTER_MS : this.#retryMs, signal)
    }
  }

  get #retryMs(): number {
    return this.held() ? RETRY_MS.withKeys : RETRY_MS.withoutKeys
  }

  #fetch(): Promise<KeySet> {
    this.#inFlight ??= this.#fetchNow().finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #fetchNow(): Promise<KeySet> {
    const { fetchKeys, now, onFetch } = this.#options
    try {
      const keys = await fetchKeys()
      const text = JSON.stringify(keys)
      const set = text === this.#kept?.text ? this.#kept.set : createLocalJWKSet(keys)
      this.#kept = { set, text, fetchedAtMs: now() }
      onFetch({ keys: keys.keys.length })
      return set
    } catch (error) {
      this.#notBeforeMs = now() + this.#retryMs
      onFetch({ error })
      throw error
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {})
}
