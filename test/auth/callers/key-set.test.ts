import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import t from 'tap'
import { KeySet } from '../../../src/auth/callers/key-set.ts'
import { toUsableJwk } from '../../../src/auth/callers/usable-jwk.ts'

/** Key pairs by the algorithm that they are generated for. */
async function generate(alg: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: await exportJWK(publicKey) }
}
const [rsa, otherRsa, ec, ed25519] = await Promise.all(
  ['RS256', 'RS256', 'ES256', 'Ed25519'].map(generate),
)
if (!rsa || !otherRsa || !ec || !ed25519) throw new Error('no keys')

const sign = (key: typeof rsa, header: { alg?: string; kid?: string } = {}) =>
  new SignJWT({}).setProtectedHeader({ alg: 'RS256', ...header }).sign(key.privateKey)

const keySet = (members: unknown[]) =>
  new KeySet({
    issuer: 'https://idp.example',
    keys: members.map(toUsableJwk).filter((key) => key !== undefined),
  })

const accepted: [name: string, members: (JWK | null)[], token: () => Promise<string>][] = [
  ['a token without kid', [{ ...rsa.jwk, kid: 'a' }], () => sign(rsa)],
  ['a token with kid by a key without kid', [rsa.jwk], () => sign(rsa, { kid: 'a' })],
  [
    'a token with kid by the only key without kid',
    [{ ...otherRsa.jwk, kid: 'b' }, rsa.jwk, ec.jwk, { ...rsa.jwk, use: 'enc' }],
    () => sign(rsa, { kid: 'a' }),
  ],
  [
    'a token with kid by one of several keys without kid',
    [otherRsa.jwk, rsa.jwk],
    () => sign(rsa, { kid: 'a' }),
  ],
  [
    'a token by the second key of two with the same kid',
    [
      { ...otherRsa.jwk, kid: 'a' },
      { ...rsa.jwk, kid: 'a' },
    ],
    () => sign(rsa, { kid: 'a' }),
  ],
  [
    'a token by a good key among unusable ones with the same kid',
    [
      null,
      { kty: 'quantum', kid: 'a' },
      { kty: 'RSA', kid: 'a', n: 'AQ', e: 'AQAB' },
      { ...rsa.jwk, kid: 'a', alg: 'RS256', x5c: ['nonsense'] },
      { kty: 'oct', kid: 'a', k: 'AAAA' },
    ],
    () => sign(rsa, { kid: 'a' }),
  ],
  ...['EdDSA', 'Ed25519', undefined].flatMap((keyAlg) =>
    ['EdDSA', 'Ed25519'].map((alg): (typeof accepted)[number] => [
      `a token with alg ${alg} by a key with alg ${keyAlg}`,
      [{ ...ed25519.jwk, kid: 'a', ...(keyAlg && { alg: keyAlg }) }],
      () => sign(ed25519, { alg, kid: 'a' }),
    ]),
  ),
]
for (const [name, members, token] of accepted) {
  t.test(`verifies ${name}`, async (t) => {
    await t.resolves(keySet(members).verify(await token(), {}))
  })
}

const NO_KEY = 'ERR_JWKS_NO_MATCHING_KEY'
const WRONG_SIGNATURE = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
const refused: [name: string, members: JWK[], token: () => Promise<string>, code: string][] = [
  [
    'a token with an unknown kid',
    [{ ...rsa.jwk, kid: 'a' }],
    () => sign(rsa, { kid: 'b' }),
    NO_KEY,
  ],
  [
    'a token whose kid names a key of another type',
    [{ ...ec.jwk, kid: 'a' }],
    () => sign(rsa, { kid: 'a' }),
    NO_KEY,
  ],
  [
    'a token with kid if the key without kid is for another algorithm',
    [{ ...rsa.jwk, alg: 'PS256' }],
    () => sign(rsa, { kid: 'a' }),
    NO_KEY,
  ],
  [
    'a forged token whose kid is in the set, although a key without kid would verify it',
    [{ ...rsa.jwk, kid: 'a' }, otherRsa.jwk],
    () => sign(otherRsa, { kid: 'a' }),
    WRONG_SIGNATURE,
  ],
  [
    'a forged token by a key without kid',
    [rsa.jwk],
    () => sign(otherRsa, { kid: 'a' }),
    WRONG_SIGNATURE,
  ],
  [
    'a forged token by several keys without kid',
    [rsa.jwk, rsa.jwk],
    () => sign(otherRsa, { kid: 'a' }),
    WRONG_SIGNATURE,
  ],
]
for (const [name, members, token, code] of refused) {
  t.test(`refuses ${name}`, async (t) => {
    await t.rejects(keySet(members).verify(await token(), {}), { code })
  })
}
