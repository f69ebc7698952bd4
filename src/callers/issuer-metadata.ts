import type { Dispatcher } from 'undici'
import { exchange } from '../http-exchange.ts'
import { isHttpsOrLoopback } from '../loopback.ts'

/** How an issuer is asked. */
export interface IssuerRequest {
  /** As it stands in `iss`, or with a slash more or less at its end. */
  issuer: string
  /** For each request, body included. */
  timeoutMs: number
  dispatcher: Dispatcher
}

/** What an issuer says of itself. Each URL has https:, or http: and a loopback host. */
export interface IssuerMetadata {
  jwksUrl: string
  authorizationUrl: string | undefined
  tokenUrl: string | undefined
}

/**
 * Fetches the discovery document of an issuer.
 * @throws Error with a fixed message, which says nothing of what was received
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export async function fetchIssuerMetadata(request: IssuerRequest): Promise<IssuerMetadata> {
  const issuer = withoutSlash(request.issuer)
  const metadata = await fetchJson(`${issuer}/.well-known/openid-configuration`, request)
  if (typeof metadata.issuer !== 'string' || withoutSlash(metadata.issuer) !== issuer) {
    throw new Error('the discovery document is that of another issuer')
  }
  const urlOf = (name: string) => {
    const value = metadata[name]
    return typeof value === 'string' && isHttpsOrLoopback(value) ? value : undefined
  }
  const jwksUrl = urlOf('jwks_uri')
  if (!jwksUrl) throw new Error('the discovery document names no key set, or one with plain http')
  return {
    jwksUrl,
    authorizationUrl: urlOf('authorization_endpoint'),
    tokenUrl: urlOf('token_endpoint'),
  }
}

/**
 * Fetches a JSON object from an issuer.
 * @throws Error with a fixed message
 */
export async function fetchJson(
  url: string,
  { timeoutMs, dispatcher }: Omit<IssuerRequest, 'issuer'>,
): Promise<Record<string, unknown>> {
  const { status, body } = await exchange(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs,
    dispatcher,
  })
  if (status !== 200) throw new Error(`the issuer answered with status ${status}`)
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    throw new Error('the issuer answered with something that is no JSON')
  }
  if (typeof json !== 'object' || json === null)
    throw new Error('the issuer answered with no object')
  return json as Record<string, unknown>
}

/** Issuers are written with and without a slash at the end, and both mean the same one. */
export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
