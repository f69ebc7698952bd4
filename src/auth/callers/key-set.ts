import type { JWK, JWTVerifyGetKey, JWTVerifyOptions, JWTVerifyResult } from 'jose'
import { createLocalJWKSet, errors, jwtVerify } from 'jose'

/** The issuer of callers' tokens. */
export interface IssuerKeys {
  /** Its name in `iss`. */
  readonly issuer: string
  readonly keys: readonly JWK[]
}

/** Verifies signatures with the public keys of an issuer. */
export class KeySet {
  /** The name of the issuer in `iss`. */
  readonly issuer: string
  readonly #all: JWTVerifyGetKey
  readonly #withoutId: JWTVerifyGetKey

  constructor({ issuer, keys }: IssuerKeys) {
    this.issuer = issuer
    this.#all = createLocalJWKSet({ keys: [...keys] })
    this.#withoutId = createLocalJWKSet({ keys: keys.filter(({ kid }) => kid === undefined) })
  }

  /**
   * `jwtVerify` of jose, which also tries all matching keys if there are several: keys without an id, or with the same.
   * @throws JOSEError
   */
  async verify(token: string, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
    try {
      return await jwtVerify(token, this.#findKey, options)
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      for await (const key of error) {
        try {
          return await jwtVerify(token, key, options)
        } catch (keyError) {
          if (!(keyError instanceof errors.JWSSignatureVerificationFailed)) throw keyError
        }
      }
      throw new errors.JWSSignatureVerificationFailed()
    }
  }

  /** Some issuers name a key in tokens, but not in their JWKS: `kid` is optional in both (RFC 7517 §4.5). */
  readonly #findKey: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.#all(header, token)
    } catch (error) {
      const { kid, ...withoutKid } = header
      if (!(error instanceof errors.JWKSNoMatchingKey) || kid === undefined) throw error
      return this.#withoutId(withoutKid, token)
    }
  }
}
