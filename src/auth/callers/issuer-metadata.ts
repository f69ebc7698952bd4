import type { Dispatcher } from 'undici'
import { isSecureUrl } from '../../http/secure-url.ts'
import { IssuerMismatchError } from '../issuer-mismatch.ts'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'
import { fetchJson } from './fetch-json.ts'

/** A request to an issuer. */
export interface IssuerRequest {
  /** The configured name, with or without a trailing slash. */
  issuer: string
  /** For each HTTP request, body included; milliseconds. */
  timeoutMs: number
  /** Hosts to which `http:` is allowed besides loopback hosts; default: none. */
  insecureHttpHosts?: readonly string[]
  dispatcher: Dispatcher
}

/** Name and endpoints of an issuer. Each URL passes {@link isSecureUrl}. */
export interface IssuerMetadata {
  /** `iss` of access tokens, which in AD FS is not the issuer of the document. It can be any text. */
  issuer: string
  jwksUrl: string
  authorizationUrl: string | undefined
  tokenUrl: string | undefined
}

/**
 * Fetches the discovery document of an issuer. A trailing slash makes no difference.
 * @throws Error whose message may be logged: of the response, it holds the issuer at most
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 * @see https://learn.microsoft.com/openspecs/windows_protocols/ms-oidce/586de7dd-3385-47c7-93a2-935d9e90441c for `access_token_issuer`
 */
export async function fetchIssuerMetadata(request: IssuerRequest): Promise<IssuerMetadata> {
  const base = withoutTrailingSlash(request.issuer)
  if (!isSecureUrl(base, request.insecureHttpHosts))
    throw new Error('the issuer has no URL with https: for discovery')
  const metadata = await fetchJson(`${base}/.well-known/openid-configuration`, request)
  const { issuer, access_token_issuer: accessTokenIssuer } = metadata
  if (typeof issuer !== 'string' || withoutTrailingSlash(issuer) !== base) {
    throw new IssuerMismatchError(base, issuer)
  }
  const urlOf = (name: string) => {
    const value = metadata[name]
    return typeof value === 'string' && isSecureUrl(value, request.insecureHttpHosts)
      ? value
      : undefined
  }
  const jwksUrl = urlOf('jwks_uri')
  if (!jwksUrl) throw new Error('the discovery document has no jwks_uri with https:')
  return {
    issuer: typeof accessTokenIssuer === 'string' ? accessTokenIssuer : issuer,
    jwksUrl,
    authorizationUrl: urlOf('authorization_endpoint'),
    tokenUrl: urlOf('token_endpoint'),
  }
}
