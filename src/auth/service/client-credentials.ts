import { X509Certificate } from 'node:crypto'
import * as client from 'openid-client'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../../http/proxy.ts'
import { parseRetryAfter } from '../../http/retry-after.ts'
import { isSecureUrl } from '../../http/secure-url.ts'
import { ProblemError } from '../../problems/problem.ts'
import { errorCode } from '../../telemetry/error-serializer.ts'
import { withoutTrailingSlash } from '../without-trailing-slash.ts'
import { loggableErrorCode } from './oauth-error-code.ts'
import { openidClientFetch } from './openid-client-fetch.ts'
import { importSigningKey } from './signing-key.ts'
import type { TokenGrant } from './token-provider.ts'

/** Client authentication at the token endpoint. Secret and key are read for each request, so they can be rotated. */
export type ClientAuthentication =
  | { method: 'client_secret_post' | 'client_secret_basic'; readSecret: () => Promise<string> }
  /** Reads a PEM with the private key and, for Entra ID, the certificate. */
  | { method: 'private_key_jwt'; readKey: () => Promise<string> }

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
  /** For each HTTP request, body included. */
  timeoutMs: number
  /** Hosts to which `http:` is allowed besides loopback hosts; default: none. */
  insecureHttpHosts?: readonly string[]
  dispatcher: Dispatcher
}

/** A well-formed response that cannot be used. Its message is a fixed text and may be logged. */
class TokenResponseError extends Error {
  override readonly name = 'TokenResponseError'
}

/** The token syntax of RFC 6750 §2.1. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * Creates a function that sends one token request with the client credentials grant (RFC 6749 §4.4). It discovers the
 * issuer first, if necessary, and throws ProblemError `identity-provider-rejected` if the token endpoint rejects the
 * client, else `identity-provider-unavailable`. The cause holds names, codes and the status, never a secret, a token or
 * a response body.
 */
export function createTokenRequester(
  options: ClientCredentialsOptions,
): (traceparent?: string) => Promise<TokenGrant> {
  const { server, clientId, scope, audience, timeoutMs, dispatcher } = options
  const parameters = { ...(scope && { scope }), ...(audience && { audience }) }
  let metadata: client.ServerMetadata | undefined

  return async (traceparent) => {
    const fetch = openidClientFetch(dispatcher, traceparent)
    try {
      const authentication = await clientAuth(options.authentication)
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
        throw new TokenResponseError('the token response has no valid bearer token')
      return { accessToken: response.access_token, expiresInSeconds: response.expires_in }
    } catch (error) {
      // A failed discovery is not a rejection of the client.
      const canBeRejection = metadata !== undefined
      metadata = undefined
      throw toProblemError(error, canBeRejection)
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
    throw new TokenResponseError('the discovery document has no token_endpoint with https:')
  return metadata
}

async function clientAuth(authentication: ClientAuthentication): Promise<client.ClientAuth> {
  if (authentication.method === 'private_key_jwt')
    return privateKeyJwt(await authentication.readKey())
  const secret = await authentication.readSecret()
  return authentication.method === 'client_secret_basic'
    ? client.ClientSecretBasic(secret)
    : client.ClientSecretPost(secret)
}

/**
 * A signed client assertion (RFC 7523). If the PEM has a certificate, the header gets its thumbprints for Entra ID.
 * @see https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
function privateKeyJwt(pem: string): client.ClientAuth {
  const key = importSigningKey(pem)
  const certificate = pem.includes('BEGIN CERTIFICATE')
    ? new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE')))
    : undefined
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

/** Errors of openid-client can hold the whole token response, so the cause is a new error. */
function toProblemError(error: unknown, canBeRejection: boolean): ProblemError {
  const response = responseOf(error)
  const status = response?.status
  const oauthError =
    error instanceof client.ResponseBodyError ? loggableErrorCode(error.error) : undefined
  const { cause: failure } = error as { cause?: unknown }
  const facts = [
    error instanceof Error ? error.name : 'Error',
    errorCode(error),
    failure instanceof ProxyError ? failure.message : errorCode(failure),
    status && `status ${status}`,
    oauthError,
    error instanceof TokenResponseError ? error.message : undefined,
  ]
  const cause = new Error(facts.filter((fact) => fact !== undefined).join(', '))
  const isRejection =
    canBeRejection &&
    status !== undefined &&
    status >= 400 &&
    status < 500 &&
    status !== 408 &&
    status !== 429 &&
    oauthError !== 'temporarily_unavailable' &&
    oauthError !== 'server_error'
  if (isRejection) return new ProblemError('identity-provider-rejected', { cause })
  const retryAfterSeconds = parseRetryAfter(response?.headers.get('retry-after'), Date.now())
  return new ProblemError('identity-provider-unavailable', { cause, retryAfterSeconds })
}

function responseOf(error: unknown): Response | undefined {
  if (
    error instanceof client.ResponseBodyError ||
    error instanceof client.WWWAuthenticateChallengeError
  ) {
    return error.response
  }
  const { cause } = error as { cause?: unknown }
  return cause instanceof Response ? cause : undefined
}

function isPlainHttp(url: string | undefined): boolean {
  return url !== undefined && new URL(url).protocol === 'http:'
}
