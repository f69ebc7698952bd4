import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { type CredentialFile, Fault } from './credential-file.ts'

/** The private key with which the service authenticates. */
export interface SigningKey {
  key: CryptoKey
  /** Of this key; Entra ID needs its thumbprint. */
  certificate: X509Certificate | undefined
}

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
 * A PEM file with a private key, RSA for RS256, EC for the algorithm of its curve, or Ed25519, and perhaps with its
 * certificate. Of several certificates, such as a chain, the one of the key counts.
 */
export const SIGNING_KEY_FILE: CredentialFile<SigningKey> = {
  variable: 'IDP_CLIENT_KEY_FILE',
  parse: (pem) => {
    const key = privateKeyOf(pem)
    const algorithm = algorithmOf(key?.asymmetricKeyType, key?.asymmetricKeyDetails?.namedCurve)
    if (!key || !algorithm)
      throw new Fault('has no unencrypted RSA, EC or Ed25519 private key in PEM')
    const certificates = certificatesOf(pem)
    const certificate = certificates.find((candidate) => candidate.checkPrivateKey(key))
    if (certificates.length > 0 && !certificate)
      throw new Fault('has a certificate of another private key: the two must belong together')
    return { key: key.toCryptoKey(algorithm, false, ['sign']), certificate }
  },
}

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.split('-----BEGIN CERTIFICATE-----').slice(1)
  try {
    return blocks.map((block) => new X509Certificate(`-----BEGIN CERTIFICATE-----${block}`))
  } catch {
    throw new Fault('has a certificate that is damaged')
  }
}
