/** Longest part of a foreign issuer in a message. */
const MAX_LENGTH = 255

/**
 * A discovery document is about another issuer. The message may be logged: of the received value it holds scheme, host
 * and path at most.
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation
 */
export class IssuerMismatchError extends Error {
  override readonly name = 'IssuerMismatchError'

  constructor(expected: string, received: unknown) {
    super(`the discovery document of ${expected} names another issuer: ${withoutQuery(received)}`)
  }
}

function withoutQuery(received: unknown): string {
  if (typeof received !== 'string' || !/^https?:/.test(received) || !URL.canParse(received))
    return 'no URL'
  const { origin, pathname } = new URL(received)
  return `${origin}${pathname}`.slice(0, MAX_LENGTH)
}
