import { createHmac } from 'node:crypto'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { Test } from 'tap'
import { startServer } from './local-server.ts'

/** The audience of valid tokens. */
export const AUDIENCE = 'api://cdf-job-quality'

type Claims = Record<string, unknown>

/** A token issuer under the control of the test. It can sign valid and forged tokens. */
export interface TestIssuer {
  issuer: string
  /** The URL of a JWKS with the attacker's key. */
  attackerKeysUrl: string
  /** Keys in the JWKS of the issuer, by key id. */
  published: Record<string, { privateKey: CryptoKey; publicKey: CryptoKey; alg: string }>
  /** A key that is not in the JWKS of the issuer. */
  attacker: { privateKey: CryptoKey; publicKey: CryptoKey; jwk: JWK }
  /** Members of the discovery document besides `issuer` and `jwks_uri`, or instead of them; the test can change it. */
  discovery: Record<string, unknown>
  /** The response to requests for the JWKS; the test can change it. If `silent`, the issuer never responds. */
  answer: { status: number; keys: JWK[]; silent: boolean }
  /** Number of requests for the JWKS. */
  fetches: number
  /** The claims of a valid token, with overrides; `undefined` removes a claim. */
  claims: (claims?: Claims) => Claims
  /** Signs a token, by default with the published RSA key. */
  sign: (claims?: Claims, header?: Record<string, unknown>, key?: CryptoKey) => Promise<string>
  /** Builds a token in the compact form from any header, payload and signature. */
  compact: (header: unknown, payload: unknown, signature?: string) => string
  /** Signs a token with HS256. */
  hmac: (secret: string | Buffer, header?: object) => string
  /** The published RSA key as PEM. */
  publicPem: () => Promise<string>
}

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const keyPair = (alg: string) => generateKeyPair(alg, { extractable: true })
/** Shared by all tests of a file: generating an RSA key takes 0.1 s. */
const [rsa, ec, encryption, attackerPair] = await Promise.all([
  keyPair('RS256'),
  keyPair('ES256'),
  keyPair('RS256'),
  keyPair('RS256'),
])

/** Starts an issuer. It stops at the end of the test. */
export async function startTestIssuer(t: Test): Promise<TestIssuer> {
  const published: TestIssuer['published'] = {
    rsa: { ...rsa, alg: 'RS256' },
    ec: { ...ec, alg: 'ES256' },
    encryption: { ...encryption, alg: 'RS256' },
  }
  const jwkOf = async (kid: string) => {
    const { publicKey, alg } = published[kid] as TestIssuer['published'][string]
    return { ...(await exportJWK(publicKey)), kid, alg, use: kid === 'encryption' ? 'enc' : 'sig' }
  }
  const attackerJwk = {
    ...(await exportJWK(attackerPair.publicKey)),
    kid: 'rsa',
    alg: 'RS256',
    use: 'sig',
  }

  const issuer = await startServer(t, (request, response) => {
    if (testIssuer.answer.silent) return
    response.setHeader('content-type', 'application/json')
    if (request.url === '/attacker') return response.end(JSON.stringify({ keys: [attackerJwk] }))
    if (request.url?.startsWith('/keys')) {
      testIssuer.fetches += 1
      response.statusCode = testIssuer.answer.status
      return response.end(JSON.stringify({ keys: testIssuer.answer.keys }))
    }
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, ...testIssuer.discovery }))
  })
  const claims = (overrides: Claims = {}): Claims => {
    const nowSeconds = Math.floor(Date.now() / 1000)
    const all = {
      iss: issuer,
      aud: AUDIENCE,
      sub: 'a-user',
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
  const testIssuer: TestIssuer = {
    issuer,
    attackerKeysUrl: `${issuer}/attacker`,
    published,
    attacker: { ...attackerPair, jwk: attackerJwk },
    discovery: {},
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
  return testIssuer
}

/** A symmetric key as a member of a JWKS. */
export function octJwk(secret: string): JWK {
  return { kty: 'oct', k: base64url(secret), kid: 'oct', alg: 'HS256', use: 'sig' }
}
