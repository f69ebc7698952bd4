import { hostAndPort } from '../../http/host-and-port.ts'
import { fetchJson } from './fetch-json.ts'
import { fetchIssuerMetadata, type IssuerRequest } from './issuer-metadata.ts'
import type { IssuerKeys } from './key-set.ts'
import { toUsableJwk } from './usable-jwk.ts'

/** Where the JWKS of an issuer is. */
export interface JwksSource extends IssuerRequest {
  /** Default: `jwks_uri` of the discovery document. If it is set, `issuer` is exactly the name in `iss`. */
  jwksUrl?: string | undefined
}

/**
 * Fetches the JWKS of an issuer and keeps the keys that can verify a token. A JWKS without any is an error. With a
 * JWKS URL, the issuer has the configured name, else the one in its discovery document.
 * @throws Error whose message may be logged, as of {@link fetchIssuerMetadata}
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-5
 */
export async function fetchJwks(source: JwksSource): Promise<IssuerKeys> {
  const { issuer, jwksUrl } = source.jwksUrl
    ? { issuer: source.issuer, jwksUrl: source.jwksUrl }
    : await fetchIssuerMetadata(source)
  const { keys } = await fetchJson(jwksUrl, source)
  const usable = Array.isArray(keys) ? keys.map(toUsableJwk).filter((key) => key !== undefined) : []
  if (usable.length === 0)
    throw new Error(`the JWKS of ${hostAndPort(jwksUrl)} has no key for signatures`)
  return { issuer, keys: usable }
}
