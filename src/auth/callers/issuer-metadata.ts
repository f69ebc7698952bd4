import type { Dispatcher } from 'undici'
import { isHttpsOrLoopback } from '../../http/loopback.ts'
import { hostAndPort, toRequestFailure } from '../../http/request-failure.ts'
import { sendRequest } from '../../http/send-request.ts'
import { IssuerMismatchError } from '../issuer-mismatch.ts'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'

/** A request to an issuer. */
export interface IssuerRequest {
  /** As in `iss`, with or without a trailing slash. */
  issuer: string
  /** For each HTTP request, body included. */
  timeoutMs: number
  dispatcher: Dispatcher
}

/** The endpoints of an issuer. Each URL has `https:`, or `http:` and a loopback host. */
export interface IssuerMetadata {
  jwksUrl: string
  authorizationUrl: string | undefined
  tokenUrl: string | undefined
}

/**
 * Fetches the discovery document of an issuer.
 * @throws Error whose message may be logged: of the response, it holds the issuer at most
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export async function fetchIssuerMetadata(request: IssuerRequest): Promise<IssuerMetadata> {
  const issuer = withoutTrailingSlash(request.issuer)
  const metadata = await fetchJson(`${issuer}/.well-known/openid-configuration`, request)
  if (typeof metadata.issuer !== 'string' || withoutTrailingSlash(metadata.issuer) !== issuer) {
    throw new IssuerMismatchError(issuer, metadata.issuer)
  }
  const urlOf = (name: string) => {
    const value = metadata[name]
    return typeof value === 'string' && isHttpsOrLoopback(value) ? value : undefined
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
 * @throws RequestFailure; Error whose message holds host and status only
 */
export async function fetchJson(
  url: string,
  { timeoutMs, dispatcher }: Omit<IssuerRequest, 'issuer'>,
): Promise<Record<string, unknown>> {
  const { status, body } = await sendRequest(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs,
    dispatcher,
  }).catch((error: unknown) => {
    throw toRequestFailure(url, error)
  })
  const host = hostAndPort(url)
  if (status !== 200) throw new Error(`${host} answered with status ${status}`)
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    throw new Error(`the response of ${host} is not JSON`)
  }
  if (typeof json !== 'object' || json === null)
    throw new Error(`the response of ${host} is not a JSON object`)
  return json as Record<string, unknown>
}
