import { randomBytes } from 'node:crypto'
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import * as errors from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import { LRUCache } from 'lru-cache'
import { bearerTokenOf } from './bearer-token.ts'
import type { Caller } from './caller.ts'
import { callerOf, hashOf } from './caller.ts'
import type { IssuerKeys, KeySet } from './issuer-keys.ts'
import { withoutSlash } from './issuer-metadata.ts'

/** Why a token was refused: for the audit log, never for the caller. */
export class RefusedTokenError extends Error {
  override readonly name = 'RefusedTokenError'
  /** A fixed text, or a code of jose with the claim that it is about; nothing of the token itself. */
  readonly reason: string

  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

/** What a {@link CallerVerifier} works with. */
export interface CallerVerifierOptions {
  keys: Pick<IssuerKeys, 'held' | 'get' | 'refetch'>
  /** As in `iss`, with or without a slash at its end. */
  issuer: string
  /** Must be in `aud`. */
  audience: string
  /** Must be in `scope`, `scp` or `roles`. */
  requiredScope?: string | undefined
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
}

/** Asymmetric only: with a shared secret, whoever can check a token can make one (RFC 8725 §3.1). */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
/** Nothing else may pretend to be an access token (RFC 8725 §3.11); many issuers still say JWT or nothing. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'application/at+jwt'])
/** Between the issuer's clock and ours. */
const CLOCK_TOLERANCE_SECONDS = 30
const MAX_TOKEN_LENGTH = 8 * 1024
/** Three parts of base64url: everything else is refused before anything is decoded. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Verified tokens that are remembered; some hundred bytes each. */
const MAX_REMEMBERED = 10_000

/** A token that was verified, under the hash of its text: none of them is kept itself. */
interface Remembered {
  readonly caller: Caller
  /** Milliseconds since the epoch, tolerance included. */
  readonly notBeforeMs: number
  readonly endsMs: number
}

/**
 * Checks callers' bearer tokens: JWTs (RFC 9068, RFC 8725) of one issuer for one audience. A verified token is
 * remembered until it ends or the keys change, so that the next request with it costs a hash instead of a signature.
 */
export class CallerVerifier {
  readonly #options: CallerVerifierOptions
  readonly #verifyOptions: JWTVerifyOptions
  /** New in each process: nobody can look for a name in an old log. */
  readonly #subjectKey = randomBytes(32)
  readonly #remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED })
  /** By connection; with the header that showed it. */
  #shown = new WeakMap<object, { authorization: string; known: Remembered }>()
  /** The keys that the remembered tokens were verified with. */
  #keys: KeySet | undefined

  constructor(options: CallerVerifierOptions) {
    const issuer = withoutSlash(options.issuer)
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
   * Whose token the header holds, if it was verified before and has not ended; costs a hash, but for the header that the
   * connection has shown last: most show one all the time, and the hash is a tenth of a cached answer. (The whole
   * header, since V8 compares it at once, and a token that was cut out of it by a slow call.)
   * @param authorization `Authorization`, with any scheme
   * @param connection by which it came; its last header with a good token is in memory as long as it is open
   */
  remembered(authorization: string | undefined, connection: object): Caller | undefined {
    if (authorization === undefined) return undefined
    const keys = this.#options.keys.held()
    if (keys !== this.#keys) {
      this.#keys = keys
      this.#remembered.clear()
      this.#shown = new WeakMap()
    }
    const shown = this.#shown.get(connection)
    const isSame = shown?.authorization === authorization
    const known = isSame ? shown.known : this.#known(authorization)
    if (!known) return undefined
    if (!isSame) this.#shown.set(connection, { authorization, known })
    const nowMs = this.#options.wallNow()
    return nowMs >= known.notBeforeMs && nowMs < known.endsMs ? known.caller : undefined
  }

  #known(authorization: string): Remembered | undefined {
    const token = bearerTokenOf(authorization)
    return token === undefined ? undefined : this.#remembered.get(hashOf(token))
  }

  /**
   * Who the token belongs to; costs a signature.
   * @throws RefusedTokenError for every bad token, and ProxyError `caller-keys-unavailable` if there are no keys to tell
   */
  async verify(token: string): Promise<Caller> {
    if (token.length > MAX_TOKEN_LENGTH) throw new RefusedTokenError('too long')
    if (!COMPACT_JWS.test(token)) throw new RefusedTokenError('no compact JWS')
    let keys = await this.#options.keys.get()
    const payload = await this.#payloadOf(token, keys).catch(async (error: unknown) => {
      // Also a signature that is not right: some issuers have keys without an id, or use one again.
      const isUnknownKey =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWSSignatureVerificationFailed
      const newer = isUnknownKey ? await this.#options.keys.refetch() : undefined
      if (!newer || newer === keys) throw refusalOf(error)
      keys = newer
      return this.#payloadOf(token, keys).catch((another: unknown) => {
        throw refusalOf(another)
      })
    })
    const caller = callerOf(payload, this.#subjectKey, this.#options.requiredScope)
    // Keys that changed meanwhile may not vouch for it; the next request with it finds out.
    if (keys === this.#keys) {
      this.#remembered.set(hashOf(token), {
        caller,
        notBeforeMs: ((payload.nbf ?? 0) - CLOCK_TOLERANCE_SECONDS) * 1000,
        endsMs: ((payload.exp ?? 0) + CLOCK_TOLERANCE_SECONDS) * 1000,
      })
    }
    return caller
  }

  async #payloadOf(token: string, keys: KeySet): Promise<JWTPayload> {
    const options = { ...this.#verifyOptions, currentDate: new Date(this.#options.wallNow()) }
    const { payload, protectedHeader } = await jwtVerify(token, keys, options).catch(
      async (error: unknown) => {
        if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
        // Without a key id, any of the issuer's keys of this kind may be the one.
        for await (const key of error) {
          const verified = await jwtVerify(token, key, options).catch((reason: unknown) => {
            // What the right key has signed is not mended by another one.
            if (isAboutClaims(reason)) throw reason
            return undefined
          })
          if (verified) return verified
        }
        throw new errors.JWSSignatureVerificationFailed()
      },
    )
    // 1e999 is a number in JSON, too.
    if (!Number.isFinite(payload.exp))
      throw new RefusedTokenError('ERR_JWT_CLAIM_VALIDATION_FAILED exp')
    const { typ } = protectedHeader
    if (typ !== undefined && !(typeof typ === 'string' && TYPES.has(typ.toLowerCase())))
      throw new RefusedTokenError('typ')
    return payload
  }
}

function isAboutClaims(
  error: unknown,
): error is errors.JWTExpired | errors.JWTClaimValidationFailed {
  return error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed
}

function refusalOf(error: unknown): RefusedTokenError {
  if (error instanceof RefusedTokenError) return error
  if (isAboutClaims(error)) {
    return new RefusedTokenError(`${error.code} ${error.claim}`)
  }
  return new RefusedTokenError(error instanceof errors.JOSEError ? error.code : 'malformed')
}
