import { createPrivateKey } from 'node:crypto'

/** The curves that JOSE has an algorithm for, by their names in OpenSSL. */
const NAMED_CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

/** How a private key signs: RSA as RS256, EC by its curve, Ed25519; `undefined` for any other. */
function algorithmOf(type: string | undefined, curve: string | undefined) {
  const namedCurve = NAMED_CURVES[curve ?? '']
  if (type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  if (type === 'ec' && namedCurve) return { name: 'ECDSA', namedCurve }
  return type === 'ed25519' ? { name: 'Ed25519' } : undefined
}

/**
 * The private key of a PEM, ready to sign.
 * @throws Error if there is none, or none that can sign a client assertion
 */
export function importSigningKey(pem: string): CryptoKey {
  const key = createPrivateKey(pem)
  const algorithm = algorithmOf(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve)
  if (!algorithm)
    throw new TypeError('the private key is of no kind that can sign a client assertion')
  return key.toCryptoKey(algorithm, false, ['sign'])
}
