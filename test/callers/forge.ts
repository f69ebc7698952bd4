import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CryptoKey, JWK } from 'jose'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import type { Test } from 'tap'

/** Whom good tokens are for. */
export const AUDIENCE = 'api://cdf-job-quality'

type Claims = Record<string, unknown>

/** An issuer whose keys, discovery and health the test holds in its hand, and which signs whatever is asked. */
export interface Forge {
  issuer: string
  /** Where an attacker's own keys are served. */
  attackerKeysUrl: string
  /** Published under the key id `rsa`, `ec` and so on. */
  published: Record<string, { privateKey: CryptoKey; publicKey: CryptoKey; alg: string }>
  /** Never published. */
  attacker: { privateKey: CryptoKey; publicKey: CryptoKey; jwk: JWK }
  /** What the issuer answers for its key set; replaced or emptied by the test. */
  answer: { status: number; keys: JWK[]; silent: boolean }
  /** How often the key set was fetched. */
  fetches: number
  /** The claims of a good token. */
  claims: (claims?: Claims) => Claims
  /** A token signed with the published RSA key, or another one. */
  sign: (claims?: Claims, header?: Record<string, unknown>, key?: CryptoKey) => Promise<string>
  /** A token of these parts, whatever they are. */
  compact: (header: unknown, payload: unknown, signature?: string) => string
  /** Signed as HS256 with a secret. */
  hmac: (secret: string | Buffer, header?: object) => string
  /** The public key of the published RSA key, as PEM. */
  publicPem: () => Promise<string>
}

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const keyPair = (alg: string) => generateKeyPair(alg, { extractable: true })
/** Made once for all tests of a file: RSA keys take a tenth of a second each. */
const [rsa, ec, encryption, attackerPair] = await Promise.all([
  keyPair('RS256'),
  keyPair('ES256'),
  keyPair('RS256'),
  keyPair('RS256'),
])

/** Starts an issuer for one test. */
export async function startForge(t: Test): Promise<Forge> {
  const published: Forge['published'] = {
    rsa: { ...rsa, alg: 'RS256' },
    ec: { ...ec, alg: 'ES256' },
    encryption: { ...encryption, alg: 'RS256' },
  }
  const jwkOf = async (kid: string) => {
    const { publicKey, alg } = published[kid] as Forge['published'][string]
    return { ...(await exportJWK(publicKey)), kid, alg, use: kid === 'encryption' ? 'enc' : 'sig' }
  }
  const attackerJwk = {
    ...(await exportJWK(attackerPair.publicKey)),
    kid: 'rsa',
    alg: 'RS256',
    use: 'sig',
  }

  const server = createServer((request, response) => {
    if (forge.answer.silent) return
    response.setHeader('content-type', 'application/json')
    if (request.url === '/attacker') return response.end(JSON.stringify({ keys: [attackerJwk] }))
    if (request.url === '/keys') {
      forge.fetches += 1
      response.statusCode = forge.answer.status
      return response.end(JSON.stringify({ keys: forge.answer.keys }))
    }
    response.end(JSON.stringify({ issuer: forge.issuer, jwks_uri: `${forge.issuer}/keys` }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const claims = (overrides: Claims = {}): Claims => {
    const nowSeconds = Math.floor(Date.now() / 1000)
    const all = {
      iss: issuer,
      aud: AUDIENCE,
      sub: 'somebody',
      client_id: 'a-client',
      scope: 'other jobs:read',
      iat: nowSeconds,
      exp: nowSeconds + 600,
      ...overrides,
    }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  }
  const compact = (header: unknown, payload: unknown, signature = 'AAAA') =>
    `${base64url(header)}.${base64url(payload)}.${signature}`
  const forge: Forge = {
    issuer,
    attackerKeysUrl: `${issuer}/attacker`,
    published,
    attacker: { ...attackerPair, jwk: attackerJwk },
    answer: {
      status: 200,
      keys: await Promise.all(Object.keys(published).map(jwkOf)),
      silent: false,
    },
    fetches: 0,
    claims,
    compact,
    sign: (overrides, header = {}, key = rsa.privateKey) =>
      new SignJWT(claims(overrides))
        .setProtectedHeader({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt', ...header })
        .sign(key),
    hmac: (secret, header = {}) => {
      const input = `${base64url({ alg: 'HS256', kid: 'rsa', ...header })}.${base64url(claims())}`
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    },
    publicPem: () => exportSPKI(rsa.publicKey),
  }
  return forge
}

/** A symmetric key as it would look in a key set. */
export function octJwk(secret: string): JWK {
  return { kty: 'oct', k: base64url(secret), kid: 'oct', alg: 'HS256', use: 'sig' }
}
