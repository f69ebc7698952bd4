import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CryptoKey, JSONWebKeySet, JWTPayload } from 'jose'
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT } from 'jose'
import type { Configuration, Provider } from 'oidc-provider'
import { Faults } from './fault.ts'

/** The service's own clients towards CDF, one for each way to prove who one is. */
export const CLIENTS = {
  client_secret_post: 'cdf-job-quality',
  client_secret_basic: 'cdf-job-quality-basic',
  private_key_jwt: 'cdf-job-quality-key',
} as const
/** Another service, which calls this one. */
export const CALLER_CLIENT = 'demo-caller'
/** Swagger UI: people log in, and there is no secret. */
export const DOCS_CLIENT = 'demo-docs'

/** Whom callers' tokens are for. */
export const CALLER_AUDIENCE = 'api://cdf-job-quality'
/** What callers' tokens allow. */
export const CALLER_SCOPE = 'jobs:read'

const KEY_ID = 'simulator'
const ALGORITHM = 'RS256'

/** One key for all identity providers of this process: it takes a tenth of a second to make, and tests start hundreds. */
let signingPair: ReturnType<typeof generateKeyPair> | undefined

/** Options of {@link IdentityProvider.create}. */
export interface IdentityProviderOptions {
  /** Whole URL, path included. */
  issuer: string
  /** Whom the service's own tokens are for. */
  audience: string
  /** Of access tokens. */
  lifetimeSeconds: number
}

/** What it signs with, and what its clients know: all but the signing key is made anew at each start. */
interface Secrets {
  signingKey: CryptoKey
  keys: JSONWebKeySet
  clientSecret: string
  clientKeyPem: string
}

/**
 * A real identity provider (`oidc-provider`), whose access tokens are JWTs (RFC 9068): client credentials for the
 * service and for its callers, and authorization code with PKCE for people, who log in with one click.
 */
export class IdentityProvider {
  readonly faults = new Faults()
  /** How many requests the token endpoint has had. */
  exchanges = 0
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
      keys: { keys: [publicKey] },
      clientSecret: randomBytes(32).toString('base64url'),
      clientKeyPem: await exportPKCS8(client.privateKey),
    }
    const privateKey = { ...(await exportJWK(signing.privateKey)), ...publicKey }
    const provider = await quietly(async () => {
      const { Provider } = await import('oidc-provider')
      const clientKey = await exportJWK(client.publicKey)
      return new Provider(options.issuer, configuration(options, secrets, privateKey, clientKey))
    })
    return new IdentityProvider(options.issuer, secrets, provider)
  }

  /** The secret of the clients that have one. */
  get clientSecret(): string {
    return this.#secrets.clientSecret
  }

  /** The key of the client that has one, as PEM. */
  get clientKeyPem(): string {
    return this.#secrets.clientKeyPem
  }

  /** The public keys that access tokens are signed with. */
  get keys(): JSONWebKeySet {
    return this.#secrets.keys
  }

  /** A caller's token as this identity provider would sign it, without asking it over HTTP; claims may be overridden. */
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

  /** Answers a request whose path begins with that of the issuer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/' } = request
    if (url.startsWith(`${this.#mountPath}/token`)) this.exchanges += 1
    if (await this.faults.happen(request, response)) return
    if (url.startsWith(`${this.#mountPath}/interaction/`)) return this.#login(request, response)
    // As Express does for a mounted application, which oidc-provider reads to make its own URLs.
    Object.assign(request, { originalUrl: url, url: url.slice(this.#mountPath.length) || '/' })
    await this.#callback(request, response)
  }

  /** The login page: one button, no password. */
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
  { audience, lifetimeSeconds }: IdentityProviderOptions,
  { clientSecret }: Secrets,
  privateKey: object,
  clientKey: object,
): Configuration {
  const machine = {
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [] as [],
  }
  const isCaller = (clientId: string) => clientId === CALLER_CLIENT || clientId === DOCS_CLIENT
  return {
    clients: [
      {
        ...machine,
        client_id: CLIENTS.client_secret_post,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        ...machine,
        client_id: CLIENTS.client_secret_basic,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
      },
      {
        ...machine,
        client_id: CLIENTS.private_key_jwt,
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [clientKey as never] },
      },
      {
        ...machine,
        client_id: CALLER_CLIENT,
        client_secret: clientSecret,
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        client_id: DOCS_CLIENT,
        // A native client may come from any port of the loopback interface (RFC 8252 §7.3).
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
    // Swagger UI asks from the service's own origin.
    clientBasedCORS: () => true,
    scopes: [CALLER_SCOPE],
    jwks: { keys: [privateKey as never] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    ttl: {
      ClientCredentials: lifetimeSeconds,
      AccessToken: lifetimeSeconds,
      Grant: lifetimeSeconds,
      Session: lifetimeSeconds,
      Interaction: 600,
      IdToken: lifetimeSeconds,
    },
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: {
      url: ({ oidc }, { uid }) => `${new URL(oidc.issuer).pathname}/interaction/${uid}`,
    },
    // Who has logged in has agreed: there is one application.
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
          accessTokenTTL: lifetimeSeconds,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: ALGORITHM } },
        }),
      },
    },
  }
}

/**
 * Without what oidc-provider says about every Node version that is not an LTS one yet and about storage in memory,
 * which would be the first lines of the demo.
 */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await work()
  } finally {
    console.warn = warn
  }
}
