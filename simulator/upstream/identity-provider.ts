import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CryptoKey, JSONWebKeySet, JWTPayload } from 'jose'
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT } from 'jose'
import type { Configuration, Provider } from 'oidc-provider'
import { Faults } from './fault.ts'

/** The client ids of the service, one for each method of client authentication. */
export const CLIENTS = {
  client_secret_post: 'cdf-job-quality',
  client_secret_basic: 'cdf-job-quality-basic',
  private_key_jwt: 'cdf-job-quality-key',
} as const
/** The client id of a caller of the service. */
export const CALLER_CLIENT = 'demo-caller'
/** The client id of Swagger UI, a public client with which people log in. */
export const DOCS_CLIENT = 'demo-docs'

/** The audience of callers' access tokens. */
export const CALLER_AUDIENCE = 'api://cdf-job-quality'
/** The scope of callers' access tokens. */
export const CALLER_SCOPE = 'jobs:read'

const KEY_ID = 'simulator'
const ALGORITHM = 'RS256'

/** Shared by all instances: it takes 0.1 s to generate, and the tests start hundreds of identity providers. */
let signingPair: ReturnType<typeof generateKeyPair> | undefined

/** Options of {@link IdentityProvider.create}. */
export interface IdentityProviderOptions {
  /** A URL with a path. */
  issuer: string
  /** The audience of the service's own access tokens. */
  audience: string
  tokenLifetimeSeconds: number
}

/** The keys of an identity provider and the credentials of its clients. */
interface Secrets {
  signingKey: CryptoKey
  jwks: JSONWebKeySet
  clientSecret: string
  clientKeyPem: string
}

/**
 * An identity provider (`oidc-provider`) that issues JWT access tokens (RFC 9068): with client credentials to the
 * service and to its callers, and with authorization code and PKCE to people, who log in with one click.
 */
export class IdentityProvider {
  readonly faults = new Faults()
  /** Number of requests to the token endpoint. */
  tokenRequests = 0
  readonly issuer: string
  readonly #secrets: Secrets
  readonly #mountPath: string
  readonly #provider: Provider
  readonly #callback: (request: IncomingMessage, response: ServerResponse) => Promise<void>

  private constructor(issuer: string, secrets: Secrets, provider: Provider) {
    this.issuer = issuer
    this.#secrets = secrets
    this.#mountPath = new URL(issuer).pathname
    this.#provider = provider
    this.#callback = provider.callback()
  }

  /** Generates keys and credentials and creates an identity provider that uses them. */
  static async create(options: IdentityProviderOptions): Promise<IdentityProvider> {
    signingPair ??= generateKeyPair(ALGORITHM, { extractable: true })
    const signing = await signingPair
    const client = await generateKeyPair('ES256', { extractable: true })
    const publicKey = {
      ...(await exportJWK(signing.publicKey)),
      use: 'sig',
      alg: ALGORITHM,
      kid: KEY_ID,
    }
    const secrets: Secrets = {
      signingKey: signing.privateKey,
      jwks: { keys: [publicKey] },
      clientSecret: randomBytes(32).toString('base64url'),
      clientKeyPem: await exportPKCS8(client.privateKey),
    }
    const privateKey = { ...(await exportJWK(signing.privateKey)), ...publicKey }
    const provider = await withoutWarnings(async () => {
      const { Provider } = await import('oidc-provider')
      const clientKey = await exportJWK(client.publicKey)
      return new Provider(options.issuer, configuration(options, secrets, privateKey, clientKey))
    })
    return new IdentityProvider(options.issuer, secrets, provider)
  }

  /** The secret of every client that authenticates with one. */
  get clientSecret(): string {
    return this.#secrets.clientSecret
  }

  /** The private key of the client that authenticates with `private_key_jwt`, as PEM. */
  get clientKeyPem(): string {
    return this.#secrets.clientKeyPem
  }

  /** The public keys for access tokens. */
  get jwks(): JSONWebKeySet {
    return this.#secrets.jwks
  }

  /** Signs an access token of a caller without an HTTP request; `claims` override the default ones. */
  signCallerToken(claims: JWTPayload = {}): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1000)
    return new SignJWT({
      iss: this.issuer,
      aud: CALLER_AUDIENCE,
      sub: CALLER_CLIENT,
      client_id: CALLER_CLIENT,
      scope: CALLER_SCOPE,
      iat: nowSeconds,
      exp: nowSeconds + 3600,
      jti: randomUUID(),
      ...claims,
    })
      .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ: 'at+jwt' })
      .sign(this.#secrets.signingKey)
  }

  /** Handles a request whose path starts with the path of the issuer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/' } = request
    if (url.startsWith(`${this.#mountPath}/token`)) this.tokenRequests += 1
    if (await this.faults.apply(request, response)) return
    if (url.startsWith(`${this.#mountPath}/interaction/`)) return this.#login(request, response)
    // oidc-provider builds its URLs from `originalUrl`, which Express sets for a mounted application.
    Object.assign(request, { originalUrl: url, url: url.slice(this.#mountPath.length) || '/' })
    await this.#callback(request, response)
  }

  /** The login page: a button without a password. */
  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') {
      return this.#provider.interactionFinished(request, response, {
        login: { accountId: 'developer' },
        consent: {},
      })
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(
      '<!doctype html><html lang="en"><meta charset="utf-8"><title>Demo login</title><link rel="icon" href="data:,"><h1>Demo login</h1>' +
        '<form method="post"><button>Log in as developer</button></form>',
    )
  }
}

function configuration(
  { audience, tokenLifetimeSeconds }: IdentityProviderOptions,
  { clientSecret }: Secrets,
  privateKey: object,
  clientKey: object,
): Configuration {
  const clientCredentials = {
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [] as [],
  }
  const isCaller = (clientId: string) => clientId === CALLER_CLIENT || clientId === DOCS_CLIENT
  return {
    clients: [
      {
        ...clientCredentials,
        client_id: CLIENTS.client_secret_post,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        ...clientCredentials,
        client_id: CLIENTS.client_secret_basic,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
      },
      {
        ...clientCredentials,
        client_id: CLIENTS.private_key_jwt,
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [clientKey as never] },
      },
      {
        ...clientCredentials,
        client_id: CALLER_CLIENT,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        client_id: DOCS_CLIENT,
        // Redirect URIs of native clients match any port of the loopback interface (RFC 8252 §7.3).
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: ['127.0.0.1', 'localhost'].map(
          (host) => `http://${host}/docs/static/oauth2-redirect.html`,
        ),
      },
    ],
    clientAuthMethods: ['client_secret_post', 'client_secret_basic', 'private_key_jwt', 'none'],
    // Swagger UI sends its token request from the origin of the service.
    clientBasedCORS: () => true,
    scopes: [CALLER_SCOPE],
    jwks: { keys: [privateKey as never] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    ttl: {
      ClientCredentials: tokenLifetimeSeconds,
      AccessToken: tokenLifetimeSeconds,
      Grant: tokenLifetimeSeconds,
      Session: tokenLifetimeSeconds,
      Interaction: 600,
      IdToken: tokenLifetimeSeconds,
    },
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: {
      url: ({ oidc }, { uid }) => `${new URL(oidc.issuer).pathname}/interaction/${uid}`,
    },
    // Grants consent without a consent page.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? '',
        accountId: oidc.session?.accountId ?? '',
      })
      grant.addOIDCScope(CALLER_SCOPE)
      grant.addResourceScope(CALLER_AUDIENCE, CALLER_SCOPE)
      await grant.save()
      return grant
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, client) =>
          isCaller(client.clientId) ? CALLER_AUDIENCE : audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource, client) => ({
          scope: isCaller(client.clientId) ? CALLER_SCOPE : `${audience}/.default`,
          audience: resource,
          accessTokenTTL: tokenLifetimeSeconds,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: ALGORITHM } },
        }),
      },
    },
  }
}

/** Hides the warnings of oidc-provider about the Node version and in-memory storage, which would clutter the demo. */
async function withoutWarnings<T>(work: () => Promise<T>): Promise<T> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await work()
  } finally {
    console.warn = warn
  }
}
