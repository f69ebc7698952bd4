import { createPublicKey } from 'node:crypto'
import type { JWK } from 'jose'
import { isJsonObject } from '../../http/json-object.ts'

/** jose rejects weaker keys (RFC 7518 §3.3). */
const MIN_RSA_BITS = 2048
const KEY_TYPES: readonly unknown[] = ['rsa', 'ec', 'ed25519']
/** Two names of one algorithm (RFC 9864 §2.2). The curve of the key says the same. */
const ED25519_NAMES: readonly unknown[] = ['EdDSA', 'Ed25519']

/**
 * A member of a JWKS, reduced to what the verification of a signature needs; `undefined` if it cannot be used for that.
 * @see https://www.rfc-editor.org/rfc/rfc7517#section-4
 */
export function toUsableJwk(member: unknown): JWK | undefined {
  if (!isJsonObject(member)) return undefined
  const { kid, alg, use, d, key_ops: operations } = member
  const isForSignatures =
    (use ?? 'sig') === 'sig' && (!Array.isArray(operations) || operations.includes('verify'))
  if (!isForSignatures || d !== undefined) return undefined
  try {
    const key = createPublicKey({ key: member, format: 'jwk' })
    const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {}
    if (!KEY_TYPES.includes(key.asymmetricKeyType) || modulusLength < MIN_RSA_BITS) return undefined
    return {
      ...key.export({ format: 'jwk' }),
      ...(typeof kid === 'string' && { kid }),
      ...(typeof alg === 'string' && !ED25519_NAMES.includes(alg) && { alg }),
    }
  } catch {
    return undefined
  }
}
