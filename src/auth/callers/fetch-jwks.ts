import type { JSONWebKeySet, JWK } from 'jose'
import { hostAndPort } from '../../http/request-failure.ts'
import type { IssuerRequest } from './issuer-metadata.ts'
import { fetchIssuerMetadata, fetchJson } from './issuer-metadata.ts'

/** Where the JWKS of an issuer is. */
export interface JwksSource extends IssuerRequest {
  /** Default: `jwks_uri` of the discovery document. */
  jwksUrl?: string | undefined
}

/** 2048 bits (RFC 7518 §3.3) are 342 characters of base64url. jose rejects weaker keys. */
const MIN_RSA_MODULUS_LENGTH = 342

/**
 * Fetches the JWKS of an issuer and keeps the keys that can verify a token. A JWKS without any is an error.
 * @throws Error whose message may be logged, as of {@link fetchIssuerMetadata}
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export async function fetchJwks(source: JwksSource): Promise<JSONWebKeySet> {
  const url = source.jwksUrl ?? (await fetchIssuerMetadata(source)).jwksUrl
  const { keys } = await fetchJson(url, source)
  const usable = Array.isArray(keys) ? keys.filter(canVerify) : []
  if (usable.length === 0)
    throw new Error(`the JWKS of ${hostAndPort(url)} has no key for signatures`)
  return { keys: usable }
}

function canVerify(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const { kty, use, n } = key as JWK
  if (use !== undefined && use !== 'sig') return false
  if (kty === 'RSA') return typeof n === 'string' && n.length >= MIN_RSA_MODULUS_LENGTH
  return kty === 'EC' || kty === 'OKP'
}
