/** Expected and received value of a claim, for the log. */
export interface ClaimMismatch {
  expected: string
  /** Absent if the token does not have the claim. */
  received: string | undefined
}

/** An invalid access token. What it says is for the log, never for the caller. */
export class InvalidTokenError extends Error {
  override readonly name = 'InvalidTokenError'
  /** The name of the wrong claim, an error code of jose, or a fixed text. */
  readonly reason: string
  /** For the claims that say who issued the token, and for whom. */
  readonly mismatch: ClaimMismatch | undefined

  constructor(reason: string, options: ErrorOptions & { mismatch?: ClaimMismatch } = {}) {
    super(reason, options)
    this.reason = reason
    this.mismatch = options.mismatch
  }
}
