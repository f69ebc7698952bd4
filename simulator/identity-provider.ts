import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JSONWebKeySet } from 'jose'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import type { Adapter, Provider } from 'oidc-provider'
import { Faults } from './fault.ts'

/** The clients that may have tokens, one for each way to prove who one is. */
export const CLIENTS = {
  client_secret_post: 'cdf-job-quality',
  client_secret_basic: 'cdf-job-quality-basic',
  private_key_jwt: 'cdf-job-quality-key',
} as const

/** Options of {@link IdentityProvider.create}. */
export interface IdentityProviderOptions {
  /** Whole URL, path included. */
  issuer: string
  /** Whom the access tokens are for. */
  audience: string
  /** Of access tokens. */
  lifetimeSeconds: number
}

/**
 * A real identity provider (`oidc-provider`): client credentials, access tokens as JWTs (RFC 9068) for one audience.
 * Keys and secrets are made anew at each start.
 */
export class IdentityProvider {
  readonly faults = new Faults()
  /** The secret of the clients that have one. */
  readonly clientSecret: string
  /** The key of the client that has one, as PEM. */
  readonly clientKeyPem: string
  /** The public keys that access tokens are signed with. */
  readonly keys: JSONWebKeySet
  /** How many requests the token endpoint has had. */
  exchanges = 0
  readonly #mountPath: string
  readonly #callback: (request: IncomingMessage, response: ServerResponse) => Promise<void>

  private constructor(
    mountPath: string,
    parts: Pick<IdentityProvider, 'clientSecret' | 'clientKeyPem' | 'keys'>,
    provider: Provider,
  ) {
    this.#mountPath = mountPath
    this.clientSecret = parts.clientSecret
    this.clientKeyPem = parts.clientKeyPem
    this.keys = parts.keys
    this.#callback = provider.callback()
  }

  static async create({
    issuer,
    audience,
    lifetimeSeconds,
  }: IdentityProviderOptions): Promise<IdentityProvider> {
    const { Provider } = await importOidcProvider()
    const signing = await generateKeyPair('RS256', { extractable: true })
    const client = await generateKeyPair('ES256', { extractable: true })
    const clientSecret = randomBytes(32).toString('base64url')
    const shared = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
    const provider = new Provider(issuer, {
      adapter: NoStorage,
      ttl: { ClientCredentials: lifetimeSeconds },
      clients: [
        {
          ...shared,
          client_id: CLIENTS.client_secret_post,
          client_secret: clientSecret,
          token_endpoint_auth_method: 'client_secret_post',
        },
        {
          ...shared,
          client_id: CLIENTS.client_secret_basic,
          client_secret: clientSecret,
          token_endpoint_auth_method: 'client_secret_basic',
        },
        {
          ...shared,
          client_id: CLIENTS.private_key_jwt,
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: 'ES256',
          jwks: { keys: [await exportJWK(client.publicKey)] },
        },
      ],
      clientAuthMethods: ['client_secret_post', 'client_secret_basic', 'private_key_jwt'],
      jwks: {
        keys: [
          { ...(await exportJWK(signing.privateKey)), use: 'sig', alg: 'RS256', kid: 'simulator' },
        ],
      },
      cookies: { keys: [randomBytes(32).toString('hex')] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: `${audience}/.default`,
            audience,
            accessTokenTTL: lifetimeSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    })
    const keys = {
      keys: [
        { ...(await exportJWK(signing.publicKey)), use: 'sig', alg: 'RS256', kid: 'simulator' },
      ],
    }
    const parts = { clientSecret, clientKeyPem: await exportPKCS8(client.privateKey), keys }
    return new IdentityProvider(new URL(issuer).pathname, parts, provider)
  }

  /** Answers a request whose path begins with that of the issuer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/' } = request
    const isTokenRequest = url.startsWith(`${this.#mountPath}/token`)
    if (isTokenRequest) this.exchanges += 1
    if (await this.faults.happen(request, response)) return
    // As Express does for a mounted application, which oidc-provider reads to make its own URLs.
    Object.assign(request, { originalUrl: url, url: url.slice(this.#mountPath.length) || '/' })
    await this.#callback(request, response)
  }
}

/** Access tokens are JWTs and clients are configured, so that there is nothing to store. */
class NoStorage implements Adapter {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

/** Without its warning about every Node version that is not an LTS one yet, which would be the first line of the demo. */
async function importOidcProvider() {
  const { warn } = console
  console.warn = () => {}
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
}
