import { createPrivateKey } from 'node:crypto'

/** The elliptic curves of JOSE (RFC 7518 §3.4), by their OpenSSL names. */
const NAMED_CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

function algorithmOf(type: string | undefined, curve = '') {
  const namedCurve = NAMED_CURVES[curve]
  if (type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  if (type === 'ec' && namedCurve) return { name: 'ECDSA', namedCurve }
  return type === 'ed25519' ? { name: 'Ed25519' } : undefined
}

/**
 * The private key of a PEM as a CryptoKey: RSA for RS256, EC for the algorithm of its curve, or Ed25519.
 * @throws Error if the PEM has no private key, or one of another type
 */
export function importSigningKey(pem: string): CryptoKey {
  const key = createPrivateKey(pem)
  const algorithm = algorithmOf(key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve)
  if (!algorithm) throw new TypeError('the private key is not RSA, EC or Ed25519')
  return key.toCryptoKey(algorithm, false, ['sign'])
}
