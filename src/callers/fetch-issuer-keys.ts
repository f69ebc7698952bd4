import type { JSONWebKeySet, JWK } from 'jose'
import type { IssuerRequest } from './issuer-metadata.ts'
import { fetchIssuerMetadata, fetchJson } from './issuer-metadata.ts'

/** Where an issuer's keys are. */
export interface IssuerKeysSource extends IssuerRequest {
  /** From the issuer's discovery document if absent. */
  jwksUrl?: string | undefined
}

/** RFC 7518 §3.3 wants 2048 bits, which are 342 characters of base64url; jose uses no weaker key. */
const MIN_RSA_MODULUS_LENGTH = 342

/**
 * Fetches the key set of an issuer: those of its keys that a token may be signed with. A set without any is no key set.
 * @throws Error with a fixed message, which says nothing of what was received
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export async function fetchIssuerKeys(source: IssuerKeysSource): Promise<JSONWebKeySet> {
  const url = source.jwksUrl ?? (await fetchIssuerMetadata(source)).jwksUrl
  const { keys } = await fetchJson(url, source)
  const usable = Array.isArray(keys) ? keys.filter(isForSignatures) : []
  if (usable.length === 0) throw new Error('the key set has no key for signatures')
  return { keys: usable }
}

function isForSignatures(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const { kty, use, n } = key as JWK
  if (use !== undefined && use !== 'sig') return false
  if (kty === 'RSA') return typeof n === 'string' && n.length >= MIN_RSA_MODULUS_LENGTH
  return kty === 'EC' || kty === 'OKP'
}
