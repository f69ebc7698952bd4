import { randomBytes } from 'node:crypto'
import type { JWTVerifyOptions, JWTVerifyResult } from 'jose'
import { decodeJwt, errors, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'
import { bearerTokenOf } from './bearer-token.ts'
import type { Caller } from './caller.ts'
import { sha256, toCaller } from './caller.ts'
import type { JwksCache, KeySet } from './jwks-cache.ts'

/** An invalid access token. The reason is for the log, never for the caller. */
export class InvalidTokenError extends Error {
  override readonly name = 'InvalidTokenError'
  /** A fixed text, or an error code of jose with the name of the claim; nothing from the token. */
  readonly reason: string

  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.reason = reason
  }
}

/** Options of {@link AccessTokenVerifier}. */
export interface AccessTokenVerifierOptions {
  keys: Pick<JwksCache, 'current' | 'get' | 'refetch'>
  /** Expected `iss`, with or without a trailing slash. */
  issuer: string
  /** Expected in `aud`. */
  audience: string
  /** Looked for in `scope`, `scp` and `roles`; absent = no scope is required. */
  requiredScope?: string | undefined
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
}

/** Asymmetric algorithms only: a shared secret that verifies a token can also sign one (RFC 8725 §3.1). */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** Allowed values of `typ` (RFC 8725 §3.11). Many issuers still send JWT, or no `typ`. */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']
/** Allowed difference between the issuer's clock and this one. */
const CLOCK_TOLERANCE_SECONDS = 30
const MAX_TOKEN_LENGTH = 8 * 1024
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** A cached token takes some hundred bytes. */
const MAX_CACHED_TOKENS = 10_000

/** A verified token. Times are milliseconds since the epoch and include the clock tolerance. */
interface VerifiedToken {
  readonly caller: Caller
  readonly notBeforeMs: number
  readonly expiresAtMs: number
}

/**
 * Verifies access tokens of callers: JWTs (RFC 9068, RFC 8725) of one issuer for one audience. A result is cached until
 * the token expires or the keys change, so a known token costs a hash instead of a signature check.
 */
export class AccessTokenVerifier {
  readonly #options: AccessTokenVerifierOptions
  readonly #verifyOptions: JWTVerifyOptions
  /** A new key per process, so that a subject cannot be searched for in old logs. */
  readonly #subjectKey = randomBytes(32)
  /** By the hash of the token. The token itself is not stored. */
  readonly #verified = new LRUCache<string, VerifiedToken>({ max: MAX_CACHED_TOKENS })
  #lastByConnection = new WeakMap<object, { authorization: string; verified: VerifiedToken }>()
  /** The keys that verified the cached tokens. */
  #keys: KeySet | undefined

  constructor(options: AccessTokenVerifierOptions) {
    const issuer = withoutTrailingSlash(options.issuer)
    this.#options = options
    this.#verifyOptions = {
      algorithms: ALGORITHMS,
      issuer: [issuer, `${issuer}/`],
      audience: options.audience,
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    }
  }

  /**
   * The caller of an `Authorization` header, if its token is cached and valid.
   * @param connection most connections send one token only: the same header again needs no hash, a tenth of a hit
   */
  getCached(authorization: string | undefined, connection: object): Caller | undefined {
    if (authorization === undefined) return undefined
    const keys = this.#options.keys.current()
    if (keys !== this.#keys) {
      this.#keys = keys
      this.#verified.clear()
      this.#lastByConnection = new WeakMap()
    }
    let last = this.#lastByConnection.get(connection)
    if (last?.authorization !== authorization) {
      const token = bearerTokenOf(authorization)
      const verified = token === undefined ? undefined : this.#verified.get(sha256(token))
      if (!verified) return undefined
      last = { authorization, verified }
      this.#lastByConnection.set(connection, last)
    }
    const { caller, notBeforeMs, expiresAtMs } = last.verified
    const nowMs = this.#options.wallNow()
    return nowMs >= notBeforeMs && nowMs < expiresAtMs ? caller : undefined
  }

  /**
   * Checks the form and the claims of a token, but not its signature.
   * @throws InvalidTokenError
   */
  checkClaims(token: string): void {
    const { issuer, audience } = this.#verifyOptions
    let claims: ReturnType<typeof decodeJwt>
    try {
      claims = decodeJwt(token)
    } catch {
      throw new InvalidTokenError('malformed')
    }
    const isIntended =
      [issuer].flat().includes(claims.iss) && [claims.aud].flat().includes(String(audience))
    const expiresAtMs = ((claims.exp ?? 0) + CLOCK_TOLERANCE_SECONDS) * 1000
    if (!isIntended || !(expiresAtMs > this.#options.wallNow()))
      throw new InvalidTokenError('claims')
  }

  /**
   * Verifies a token and caches the result.
   * @throws InvalidTokenError, or ProblemError `caller-keys-unavailable`
   */
  async verify(token: string): Promise<Caller> {
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidTokenError('too long')
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

  async #verifyWith(keys: KeySet, token: string): Promise<Caller> {
    const options = { ...this.#verifyOptions, currentDate: new Date(this.#options.wallNow()) }
    const verified = await verifyJwt(token, keys, options).catch((error: unknown) => {
      throw toInvalidTokenError(error)
    })
    const { exp = 0, nbf = 0 } = verified.payload
    const { typ } = verified.protectedHeader
    // JSON can hold numbers such as 1e999.
    if (!Number.isFinite(exp)) throw new InvalidTokenError('ERR_JWT_CLAIM_VALIDATION_FAILED exp')
    if (!TYPES.includes(typeof typ === 'string' ? typ.toLowerCase() : typ))
      throw new InvalidTokenError('typ')
    const caller = toCaller(verified.payload, this.#subjectKey, this.#options.requiredScope)
    // Not cached if the keys have changed meanwhile.
    if (keys === this.#keys) {
      this.#verified.set(sha256(token), {
        caller,
        notBeforeMs: (nbf - CLOCK_TOLERANCE_SECONDS) * 1000,
        expiresAtMs: (exp + CLOCK_TOLERANCE_SECONDS) * 1000,
      })
    }
    return caller
  }
}

/** `jwtVerify`, which also tries all keys of its kind for a token without a key id. */
async function verifyJwt(
  token: string,
  keys: KeySet,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys, options)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options)
      } catch (keyError) {
        if (!(keyError instanceof errors.JWSSignatureVerificationFailed)) throw keyError
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
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
  if (cause instanceof errors.JWTExpired || cause instanceof errors.JWTClaimValidationFailed)
    return new InvalidTokenError(`${cause.code} ${cause.claim}`, { cause })
  return new InvalidTokenError(cause instanceof errors.JOSEError ? cause.code : 'malformed', {
    cause,
  })
}
