import type { JWTPayload } from 'jose'
import { loggableText } from '../../telemetry/loggable-text.ts'
import { InvalidTokenError } from './invalid-token-error.ts'

/** Whose tokens are accepted, and for whom. */
export interface ExpectedClaims {
  /** `iss`, compared exactly (RFC 9068 §4). */
  issuer: string
  /** The audience claim must have one of them. */
  audiences: readonly string[]
  /** `client_id` for issuers whose access tokens have no `aud`. */
  audienceClaim: 'aud' | 'client_id'
}

/** Allowed difference between the issuer's clock and this one. */
export const CLOCK_TOLERANCE_SECONDS = 30

/** Hashes of what was issued together with an ID token (OpenID Connect Core §3.3.2.11, FAPI 1.0 §5.1). */
const ID_TOKEN_HASHES = ['at_hash', 'c_hash', 's_hash']
/** Values of the claim `typ` in Keycloak's other tokens. */
const OTHER_TYPES: readonly unknown[] = ['ID', 'Refresh', 'Offline', 'Logout']
const MAX_LOGGED_LENGTH = 200

/**
 * Checks the claims of a token whose signature is not verified yet: whether it is an access token of the issuer for one
 * of the audiences, and not expired.
 * @throws InvalidTokenError
 */
export function checkClaims(claims: JWTPayload, expected: ExpectedClaims, nowMs: number): void {
  const { issuer, audiences, audienceClaim } = expected
  if (claims.iss !== issuer) throw wrongClaim('iss', [issuer], claims.iss)
  const otherTokenClaim = findOtherTokenClaim(claims)
  if (otherTokenClaim) throw new InvalidTokenError(`not an access token: ${otherTokenClaim}`)
  // If a token has an `aud`, it must name this service (RFC 7519 §4.1.3), also if `client_id` counts.
  for (const name of claims.aud === undefined ? [audienceClaim] : [audienceClaim, 'aud']) {
    const received = [claims[name]].flat()
    if (!audiences.some((audience) => received.includes(audience)))
      throw wrongClaim(name, audiences, claims[name])
  }
  const { exp } = claims
  // JSON can hold numbers such as 1e999.
  if (!Number.isFinite(exp) || (Number(exp) + CLOCK_TOLERANCE_SECONDS) * 1000 <= nowMs)
    throw new InvalidTokenError('exp')
}

/** The name of a claim that access tokens do not have. */
function findOtherTokenClaim(claims: JWTPayload): string | undefined {
  const { nonce, typ, token_type: tokenType, token_use: use } = claims
  if (OTHER_TYPES.includes(typ)) return 'typ'
  // Of Cognito.
  if (use !== undefined && use !== 'access') return 'token_use'
  // Access tokens of Keycloak before version 25 and of PingAM have a nonce too, and say that they are bearer tokens.
  if (nonce !== undefined && typ !== 'Bearer' && tokenType !== 'Bearer') return 'nonce'
  return ID_TOKEN_HASHES.find((name) => claims[name] !== undefined)
}

function wrongClaim(name: string, expected: readonly string[], value: unknown): InvalidTokenError {
  const texts = [value].flat().filter((text) => typeof text === 'string')
  return new InvalidTokenError(name, {
    mismatch: {
      expected: loggableText(expected.join(' '), MAX_LOGGED_LENGTH),
      received: value === undefined ? value : loggableText(texts.join(' '), MAX_LOGGED_LENGTH),
    },
  })
}
