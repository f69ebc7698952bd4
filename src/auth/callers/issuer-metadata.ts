import type { Dispatcher } from 'undici'
import { failureReason } from '../../http/failure-reason.ts'
import { isSecureUrl } from '../../http/secure-url.ts'
import { sendRequest } from '../../http/send-request.ts'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'

/** A request to an issuer. */
export interface IssuerRequest {
  /** As in `iss`, with or without a trailing slash. */
  issuer: string
  /** For each HTTP request, body included. */
  timeoutMs: number
  /** Hosts to which `http:` is allowed besides loopback hosts; default: none. */
  insecureHttpHosts?: readonly string[]
  dispatcher: Dispatcher
}

/** The endpoints of an issuer. Each URL passes {@link isSecureUrl}. */
export interface IssuerMetadata {
  jwksUrl: string
  authorizationUrl: string | undefined
  tokenUrl: string | undefined
}

/**
 * Fetches the discovery document of an issuer.
 * @throws Error whose message has no part of the response
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export async function fetchIssuerMetadata(request: IssuerRequest): Promise<IssuerMetadata> {
  const issuer = withoutTrailingSlash(request.issuer)
  const metadata = await fetchJson(`${issuer}/.well-known/openid-configuration`, request)
  if (typeof metadata.issuer !== 'string' || withoutTrailingSlash(metadata.issuer) !== issuer) {
    throw new Error('the discovery document names another issuer')
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
    jwksUrl,
    authorizationUrl: urlOf('authorization_endpoint'),
    tokenUrl: urlOf('token_endpoint'),
  }
}

/**
 * Fetches a JSON object from an issuer.
 * @throws Error whose message has no part of the response
 */
export async function fetchJson(
  url: string,
  { timeoutMs, dispatcher }: Pick<IssuerRequest, 'timeoutMs' | 'dispatcher'>,
): Promise<Record<string, unknown>> {
  const { status, body } = await sendRequest(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs,
    dispatcher,
  }).catch((error: unknown) => {
    throw new Error(`no response from the issuer: ${failureReason(error)}`)
  })
  if (status !== 200) throw new Error(`the issuer answered with status ${status}`)
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    throw new Error('the response of the issuer is not JSON')
  }
  if (typeof json !== 'object' || json === null)
    throw new Error('the response of the issuer is not a JSON object')
  return json as Record<string, unknown>
}
