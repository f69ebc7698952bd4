import * as client from 'openid-client'
import type { Dispatcher } from 'undici'
import type { SigningKey } from '../../credentials/signing-key-file.ts'
import { isSecureUrl } from '../../http/secure-url.ts'
import { errorCode } from '../../telemetry/error-serializer.ts'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'
import { type Exchange, openidClientFetch } from './openid-client-fetch.ts'
import type { TokenGrant } from './token-provider.ts'
import { tokenRequestProblem, UnusableResponseError } from './token-request-failure.ts'

/** Client authentication at the token endpoint. Secret and key are read for each request, so they can be rotated. */
export type ClientAuthentication =
  | { method: 'client_secret_post' | 'client_secret_basic'; readSecret: () => Promise<string> }
  | { method: 'private_key_jwt'; readKey: () => Promise<SigningKey> }

/** A token endpoint, or an issuer for discovery. */
export type AuthorizationServer = { tokenUrl: URL } | { issuer: URL }

/** Options of {@link createTokenRequester}. */
export interface ClientCredentialsOptions {
  server: AuthorizationServer
  clientId: string
  authentication: ClientAuthentication
  /** Space-separated. */
  scope?: string | undefined
  audience?: string | undefined
  /** For each HTTP request, body included; milliseconds. */
  timeoutMs: number
  /** Hosts to which `http:` is allowed besides loopback hosts; default: none. */
  insecureHttpHosts?: readonly string[]
  dispatcher: Dispatcher
  /** Called before a token request with an expired certificate. Entra ID rejects it, others may not look at it. */
  onExpiredCertificate?: (expiredAt: string) => void
}

/** The token syntax of RFC 6750 §2.1. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * Creates a function that sends one token request with the client credentials grant (RFC 6749 §4.4). It discovers the
 * issuer first, if necessary, and throws ProblemError `identity-provider-rejected` if the token endpoint rejects the
 * client, else `identity-provider-unavailable`. The cause holds hosts, codes and the status, never a secret, a token or
 * free text of a response.
 */
export function createTokenRequester(
  options: ClientCredentialsOptions,
): (traceparent?: string) => Promise<TokenGrant> {
  const { server, clientId, scope, audience, timeoutMs, dispatcher } = options
  const parameters = { ...(scope && { scope }), ...(audience && { audience }) }
  const issuer = 'issuer' in server ? server.issuer : undefined
  let metadata: client.ServerMetadata | undefined

  return async (traceparent) => {
    let last: Exchange | undefined
    const onExchange = (exchange: Exchange) => {
      last = exchange
    }
    const fetch = openidClientFetch(dispatcher, onExchange, traceparent)
    try {
      const authentication = await clientAuth(options)
      metadata ??=
        'issuer' in server
          ? await discover(server.issuer, options, fetch)
          : // The issuer is the audience of a private_key_jwt assertion. Without discovery, it is the token endpoint.
            { issuer: server.tokenUrl.href, token_endpoint: server.tokenUrl.href }
      const configuration = new client.Configuration(metadata, clientId, undefined, authentication)
      configuration.timeout = timeoutMs / 1000
      configuration[client.customFetch] = fetch
      // Only allowed hosts can have http: here.
      if (isPlainHttp(metadata.token_endpoint)) client.allowInsecureRequests(configuration)
      const response = await client.clientCredentialsGrant(configuration, parameters)
      if (response.token_type !== 'bearer' || !B64TOKEN.test(response.access_token))
        throw new UnusableResponseError('without a valid bearer token')
      return { accessToken: response.access_token, expiresInSeconds: response.expires_in }
    } catch (error) {
      metadata = undefined
      throw tokenRequestProblem(error, last, issuer)
    }
  }
}

/** openid-client compares the issuer exactly, but many are configured without their trailing slash, or with one. */
async function discover(
  issuer: URL,
  { clientId, timeoutMs, insecureHttpHosts }: ClientCredentialsOptions,
  fetch: client.CustomFetch,
): Promise<client.ServerMetadata> {
  const base = withoutTrailingSlash(issuer.href)
  const execute = isPlainHttp(base) ? [client.allowInsecureRequests] : []
  const options = { execute, timeout: timeoutMs / 1000, [client.customFetch]: fetch }
  const attempt = (url: string) =>
    client.discovery(new URL(url), clientId, undefined, undefined, options)
  const configuration = await attempt(base).catch((error: unknown) => {
    if (errorCode(error) !== 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw error
    return attempt(`${base}/`)
  })
  const metadata = configuration.serverMetadata()
  const { token_endpoint: tokenEndpoint } = metadata
  if (!tokenEndpoint || !isSecureUrl(tokenEndpoint, insecureHttpHosts))
    throw new UnusableResponseError('without a token_endpoint with https:')
  return metadata
}

async function clientAuth({
  authentication,
  onExpiredCertificate,
}: ClientCredentialsOptions): Promise<client.ClientAuth> {
  if (authentication.method === 'private_key_jwt') {
    const key = await authentication.readKey()
    const expiry = key.certificate?.validToDate
    if (expiry && expiry.getTime() <= Date.now()) onExpiredCertificate?.(expiry.toISOString())
    return privateKeyJwt(key)
  }
  const secret = await authentication.readSecret()
  return authentication.method === 'client_secret_basic'
    ? client.ClientSecretBasic(secret)
    : client.ClientSecretPost(secret)
}

/**
 * A signed client assertion (RFC 7523). The header gets the thumbprints of the certificate for Entra ID.
 * @see https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
function privateKeyJwt({ key, certificate }: SigningKey): client.ClientAuth {
  const thumbprint = (hex: string) =>
    Buffer.from(hex.replaceAll(':', ''), 'hex').toString('base64url')
  return client.PrivateKeyJwt(key, {
    [client.modifyAssertion]: (header) => {
      if (!certificate) return
      header.x5t = thumbprint(certificate.fingerprint)
      header['x5t#S256'] = thumbprint(certificate.fingerprint256)
    },
  })
}

function isPlainHttp(url: string | undefined): boolean {
  return url !== undefined && new URL(url).protocol === 'http:'
}
