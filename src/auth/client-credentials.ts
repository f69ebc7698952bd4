import { X509Certificate } from 'node:crypto'
import * as client from 'openid-client'
import type { Dispatcher } from 'undici'
import { codeOf } from '../error-for-log.ts'
import { isHttpsOrLoopback } from '../loopback.ts'
import { ProxyError } from '../problem.ts'
import { parseRetryAfter } from '../retry-after.ts'
import { boundedFetch } from './bounded-fetch.ts'
import { importSigningKey } from './signing-key.ts'
import type { TokenGrant } from './token-provider.ts'

/** How the service proves who it is. The secret or key is read anew for each exchange, so that it can be rotated. */
export type ClientAuthentication =
  | { method: 'client_secret_post' | 'client_secret_basic'; readSecret: () => Promise<string> }
  | { method: 'private_key_jwt'; readKey: () => Promise<string> }

/** Where the token comes from: the token endpoint itself, or an issuer whose metadata name it. */
export type AuthorizationServer = { tokenUrl: URL } | { issuer: URL }

/** Options of {@link clientCredentialsExchange}. */
export interface ClientCredentialsOptions {
  server: AuthorizationServer
  clientId: string
  authentication: ClientAuthentication
  /** Space-separated. */
  scope?: string | undefined
  audience?: string | undefined
  /** For discovery and exchange each, bodies included. */
  timeoutMs: number
  dispatcher: Dispatcher
}

/** An answer that is well-formed, but not to be used. Its message is ours and may be logged. */
class TokenAnswerError extends Error {
  override readonly name = 'TokenAnswerError'
}

/** RFC 6750 §2.1: nothing else may stand behind `Bearer ` in a header. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * The OAuth 2 client credentials grant (RFC 6749 §4.4) as a function that makes one exchange, within the trace that it
 * is given or one of its own.
 * It throws ProxyError `identity-provider-rejected` if the service is refused, and `identity-provider-unavailable` for
 * everything else; causes hold a name, a code and a status, never a secret, a token or a body.
 */
export function clientCredentialsExchange(
  options: ClientCredentialsOptions,
): (traceparent?: string) => Promise<TokenGrant> {
  const { server, clientId, scope, audience, timeoutMs } = options
  const parameters = { ...(scope && { scope }), ...(audience && { audience }) }
  let metadata: client.ServerMetadata | undefined

  return async (traceparent) => {
    const fetchBounded = boundedFetch(options.dispatcher, traceparent)
    try {
      const authentication = await clientAuth(options.authentication)
      metadata ??=
        'issuer' in server
          ? await discover(server.issuer, clientId, timeoutMs, fetchBounded)
          : // The audience of a private_key_jwt is the issuer; without discovery the token endpoint stands for it.
            { issuer: server.tokenUrl.href, token_endpoint: server.tokenUrl.href }
      const configuration = new client.Configuration(metadata, clientId, undefined, authentication)
      configuration.timeout = timeoutMs / 1000
      configuration[client.customFetch] = fetchBounded
      // The configuration has made sure that plain http leads to the loopback only.
      if (isPlainHttp(metadata.token_endpoint)) client.allowInsecureRequests(configuration)
      const answer = await client.clientCredentialsGrant(configuration, parameters)
      if (answer.token_type !== 'bearer' || !B64TOKEN.test(answer.access_token)) {
        throw new TokenAnswerError('the token endpoint granted something that is no bearer token')
      }
      return { accessToken: answer.access_token, expiresInSeconds: answer.expires_in }
    } catch (error) {
      // Only the token endpoint can refuse the service; a failed discovery is made anew.
      const mayBeRefusal = metadata !== undefined
      metadata = undefined
      throw identityProviderError(error, mayBeRefusal)
    }
  }
}

/** openid-client compares issuers exactly, and people write them with and without a trailing slash. */
async function discover(
  issuer: URL,
  clientId: string,
  timeoutMs: number,
  fetchBounded: client.CustomFetch,
): Promise<client.ServerMetadata> {
  const base = issuer.href.replace(/\/+$/, '')
  const execute = isPlainHttp(base) ? [client.allowInsecureRequests] : []
  const options = { execute, timeout: timeoutMs / 1000, [client.customFetch]: fetchBounded }
  const attempt = (url: string) =>
    client.discovery(new URL(url), clientId, undefined, undefined, options)
  const found = await attempt(base).catch((error: unknown) => {
    if (codeOf(error) !== 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw error
    return attempt(`${base}/`)
  })
  const metadata = found.serverMetadata()
  const { token_endpoint: tokenEndpoint } = metadata
  if (!tokenEndpoint || !isHttpsOrLoopback(tokenEndpoint)) {
    throw new TokenAnswerError('the issuer names no token endpoint, or one with plain http')
  }
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
 * RFC 7523. A certificate beside the key in the PEM adds its thumbprints to the header, by which Entra ID finds it.
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

/** Only what helps to find the fault: `util.inspect` of an error of openid-client may show the whole token answer. */
function identityProviderError(error: unknown, mayBeRefusal: boolean): ProxyError {
  const response = responseOf(error)
  const status = response?.status
  const oauthError =
    error instanceof client.ResponseBodyError ? error.error.slice(0, 100) : undefined
  const name = error instanceof Error ? error.name : 'Error'
  const facts = [
    codeOf(error),
    codeOf((error as { cause?: unknown }).cause),
    status && `status ${status}`,
    oauthError,
    error instanceof TokenAnswerError ? error.message : undefined,
  ]
  const cause = new Error([name, ...facts.filter((fact) => fact !== undefined)].join(', '))
  const isRefusal =
    mayBeRefusal &&
    status !== undefined &&
    status >= 400 &&
    status < 500 &&
    status !== 408 &&
    status !== 429 &&
    oauthError !== 'temporarily_unavailable' &&
    oauthError !== 'server_error'
  return isRefusal
    ? new ProxyError('identity-provider-rejected', { cause })
    : new ProxyError('identity-provider-unavailable', {
        cause,
        retryAfterSeconds: parseRetryAfter(response?.headers.get('retry-after'), Date.now()),
      })
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
