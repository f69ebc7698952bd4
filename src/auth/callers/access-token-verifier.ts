import { randomBytes } from 'node:crypto'
import { decodeJwt, errors, type JWTPayload } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../async/clock.ts'
import { CLOCK_TOLERANCE_SECONDS, checkClaims, type ExpectedClaims } from './access-token-claims.ts'
import { bearerTokenOf } from './bearer-token.ts'
import { type Caller, sha256, toCaller } from './caller.ts'
import { InvalidTokenError } from './invalid-token-error.ts'
import type { JwksCache } from './jwks-cache.ts'
import type { KeySet } from './key-set.ts'

interface AccessTokenVerifierOptions
  extends Omit<ExpectedClaims, 'issuer'>,
    Pick<Clock, 'wallNow'> {
  /** The keys, and the name of their issuer. */
  keys: Pick<JwksCache, 'current' | 'get' | 'refetch'>
  /** Looked for in `scope`, `scp`, `roles` and `permissions`; absent = no scope is required. */
  requiredScope?: string | undefined
}

/** Asymmetric algorithms only: a shared secret that verifies a token can also sign one (RFC 8725 §3.1). */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** Allowed values of `typ` (RFC 8725 §3.11). Many issuers still send JWT, or no `typ`. */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']
/** A token with 200 groups of Entra ID has 11 KiB. */
const MAX_TOKEN_LENGTH = 16 * 1024
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** A cached token takes some hundred bytes. */
const MAX_CACHED_TOKENS = 10_000
/** A connection remembers its last header only up to this length: 40 MiB for 10,240 connections. */
const MAX_REMEMBERED_LENGTH = 4 * 1024

/** A verified token. Times are milliseconds since the epoch and include the clock tolerance. */
interface VerifiedToken {
  readonly caller: Caller
  readonly notBeforeMs: number
  readonly expiresAtMs: number
}

/** What was verified with one set of keys. A result that comes after the keys have changed is lost with the old set. */
class VerifiedTokens {
  readonly keys: KeySet | undefined
  /** By the hash of the token. The token itself is not stored. */
  readonly byHash = new LRUCache<string, VerifiedToken>({ max: MAX_CACHED_TOKENS })
  readonly lastByConnection = new WeakMap<
    object,
    { authorization: string; verified: VerifiedToken }
  >()
  /** Verifications in progress, by token. */
  readonly inProgress = new Map<string, Promise<Caller>>()

  constructor(keys: KeySet | undefined) {
    this.keys = keys
  }
}

/**
 * Verifies access tokens of callers: JWTs (RFC 9068, RFC 8725) of one issuer. A result is cached until the token
 * expires or the keys change, so a known token costs a hash instead of a signature check.
 */
export class AccessTokenVerifier {
  readonly #options: AccessTokenVerifierOptions
  /** A new key per process, so that a subject cannot be searched for in old logs. */
  readonly #subjectKey = randomBytes(32)
  #tokens = new VerifiedTokens(undefined)

  constructor(options: AccessTokenVerifierOptions) {
    this.#options = options
  }

  /**
   * The caller of an `Authorization` header, if its token is cached and valid.
   * @param connection key of a one-entry cache: comparing a repeated header saves its hash, a tenth of the time of a hit
   */
  getCached(authorization: string | undefined, connection: object): Caller | undefined {
    if (authorization === undefined) return undefined
    const { byHash, lastByConnection } = this.#tokensOf(this.#options.keys.current())
    const last = lastByConnection.get(connection)
    let verified = last?.authorization === authorization ? last.verified : undefined
    if (!verified) {
      const token = bearerTokenOf(authorization)
      verified = token === undefined ? undefined : byHash.get(sha256(token))
      if (!verified) return undefined
      if (authorization.length <= MAX_REMEMBERED_LENGTH)
        lastByConnection.set(connection, { authorization, verified })
    }
    const { caller, notBeforeMs, expiresAtMs } = verified
    const nowMs = this.#options.wallNow()
    return nowMs >= notBeforeMs && nowMs < expiresAtMs ? caller : undefined
  }

  /**
   * Verifies a token and caches the result. Concurrent calls with the same token share one verification.
   * @throws InvalidTokenError, or ProblemError `caller-keys-unavailable`
   */
  async verify(token: string): Promise<Caller> {
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidTokenError('longer than 16 KiB')
    if (!COMPACT_JWS.test(token)) throw new InvalidTokenError('no compact JWS')
    const keys = await this.#options.keys.get()
    try {
      return await this.#verifyWith(keys, token)
    } catch (error) {
      const newer = isUnknownKey(error) ? await this.#options.keys.refetch() : undefined
      if (!newer || newer === keys) throw error
      return this.#verifyWith(newer, token)
    }
  }

  #verifyWith(keys: KeySet, token: string): Promise<Caller> {
    const { byHash, inProgress } = this.#tokensOf(keys)
    let result = inProgress.get(token)
    if (!result) {
      result = this.#checkToken(keys, token)
        .then((verified) => {
          byHash.set(sha256(token), verified)
          return verified.caller
        })
        .finally(() => inProgress.delete(token))
      inProgress.set(token, result)
    }
    return result
  }

  /** The claims come first: a token of another issuer then costs no signature check and no fetch of the JWKS. */
  async #checkToken(keys: KeySet, token: string): Promise<VerifiedToken> {
    const { wallNow, requiredScope } = this.#options
    const nowMs = wallNow()
    checkClaims(decodeClaims(token), { ...this.#options, issuer: keys.issuer }, nowMs)
    const options = {
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(nowMs),
    }
    const { payload, protectedHeader } = await keys
      .verify(token, options)
      .catch((error: unknown) => {
        throw toInvalidTokenError(error)
      })
    const { typ } = protectedHeader
    if (!TYPES.includes(typeof typ === 'string' ? typ.toLowerCase() : typ))
      throw new InvalidTokenError('typ')
    const { exp = 0, nbf = 0 } = payload
    return {
      caller: toCaller(payload, this.#subjectKey, requiredScope),
      notBeforeMs: (nbf - CLOCK_TOLERANCE_SECONDS) * 1000,
      expiresAtMs: (exp + CLOCK_TOLERANCE_SECONDS) * 1000,
    }
  }

  #tokensOf(keys: KeySet | undefined): VerifiedTokens {
    if (keys !== this.#tokens.keys) this.#tokens = new VerifiedTokens(keys)
    return this.#tokens
  }
}

/** The claims of a token whose signature is not verified yet. */
function decodeClaims(token: string): JWTPayload {
  try {
    return decodeJwt(token)
  } catch (cause) {
    throw new InvalidTokenError('malformed', { cause })
  }
}

/** Also a wrong signature: some issuers send no key id, or use an id again for a new key. */
function isUnknownKey(error: unknown): boolean {
  const cause = error instanceof InvalidTokenError ? error.cause : undefined
  return (
    cause instanceof errors.JWKSNoMatchingKey ||
    cause instanceof errors.JWSSignatureVerificationFailed
  )
}

function toInvalidTokenError(cause: unknown): InvalidTokenError {
  if (cause instanceof errors.JWTClaimValidationFailed)
    return new InvalidTokenError(cause.claim, { cause })
  return new InvalidTokenError(cause instanceof errors.JOSEError ? cause.code : 'malformed', {
    cause,
  })
}
