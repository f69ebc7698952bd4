import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { toUsableJwk } from '../../../src/auth/callers/usable-jwk.ts'

const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsa = rsaPair.publicKey.export({ format: 'jwk' })
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
  format: 'jwk',
})
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })

const usable: [name: string, member: object, jwk: object][] = [
  ['an RSA key', { ...rsa, kid: 'a', alg: 'RS256' }, { ...rsa, kid: 'a', alg: 'RS256' }],
  ['an EC key', { ...ec, kid: 'a' }, { ...ec, kid: 'a' }],
  ['an Ed25519 key', ed25519, ed25519],
  ['an Ed25519 key for EdDSA', { ...ed25519, alg: 'EdDSA' }, ed25519],
  ['an Ed25519 key for Ed25519', { ...ed25519, alg: 'Ed25519' }, ed25519],
  [
    'an Ed25519 key for another algorithm',
    { ...ed25519, alg: 'ES256' },
    { ...ed25519, alg: 'ES256' },
  ],
  ['a key for signatures', { ...ec, use: 'sig', key_ops: ['verify'], ext: true }, ec],
  ['a key with null members', { ...ec, kid: null, alg: null, use: null, key_ops: null }, ec],
  ['a key with repeated operations', { ...ec, key_ops: ['verify', 'verify'], ext: 'true' }, ec],
  ['a key with other members', { ...rsa, x5t: 'x', x5c: ['MIIB'], issuer: 'x' }, rsa],
]
for (const [name, member, jwk] of usable) {
  t.test(`keeps ${name}`, async (t) => {
    t.strictSame(toUsableJwk(member), jwk)
  })
}

const unusable: [name: string, member: unknown][] = [
  ['null', null],
  ['a text', 'key'],
  ['a list', []],
  ['a key without type', { kid: 'a' }],
  ['a key of an unknown type', { kty: 'quantum', kid: 'a' }],
  ['a symmetric key', { kty: 'oct', k: 'x' }],
  ['a private key', rsaPair.privateKey.export({ format: 'jwk' })],
  ['a key for encryption', { ...rsa, use: 'enc' }],
  ['a key for other operations', { ...rsa, key_ops: ['encrypt'] }],
  ['an RSA key of 1024 bits', weakRsa],
  ['an RSA key without modulus', { ...rsa, n: undefined }],
  ['an EC key with an unknown curve', { ...ec, crv: 'P-1' }],
  ['an EC key that is not on its curve', { ...ec, x: ec.y, y: ec.x }],
  ['a key for key agreement', x25519],
]
for (const [name, member] of unusable) {
  t.test(`drops ${name}`, async (t) => {
    t.equal(toUsableJwk(member), undefined)
  })
}
