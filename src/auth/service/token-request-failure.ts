import { CredentialFileError } from '../../credentials/credential-file.ts'
import { hostAndPort } from '../../http/host-and-port.ts'
import { RequestFailure } from '../../http/request-failure.ts'
import { parseRetryAfter } from '../../http/retry-after.ts'
import { ProblemError } from '../../problems/problem.ts'
import { errorCodeOrName } from '../../telemetry/error-serializer.ts'
import { IssuerMismatchError } from '../issuer-mismatch.ts'
import { entraErrorNumber, loggableErrorCode } from './oauth-error-code.ts'
import type { Exchange, IdentityProviderResponse } from './openid-client-fetch.ts'

/** A response without a usable token. The message has host, status and registered codes only, so it may be logged. */
export class TokenResponseError extends Error {
  override readonly name = 'TokenResponseError'
  /** `error` of the response (RFC 6749 §5.2), if it is registered. */
  readonly oauthError: string | undefined
  /** Entra ID's number, such as `AADSTS7000215`. */
  readonly entraError: string | undefined

  constructor(message: string, { members }: IdentityProviderResponse) {
    super(message)
    this.oauthError = loggableErrorCode(members?.error)
    this.entraError = entraErrorNumber(members?.error_description)
  }
}

/** A well-formed response that cannot be used. The message is a fixed text. */
export class UnusableResponseError extends Error {
  override readonly name = 'UnusableResponseError'
}

/** Errors with which the identity provider asks for a later retry. */
const TRANSIENT: readonly unknown[] = ['temporarily_unavailable', 'server_error', 'slow_down']

/**
 * The problem of a failed token request: `identity-provider-rejected` if the token endpoint rejects the client, else
 * `identity-provider-unavailable`. The cause is a new error, because errors of openid-client can hold secrets and tokens.
 * @param error what was thrown
 * @param last the last HTTP request, if there was one
 * @param issuer for discovery
 */
export function tokenRequestProblem(
  error: unknown,
  last: Exchange | undefined,
  issuer: URL | undefined,
): ProblemError {
  const cause = causeOf(error, last, issuer)
  if (!last || cause instanceof CredentialFileError || last.result instanceof RequestFailure)
    return new ProblemError('identity-provider-unavailable', { cause })
  const { status, retryAfter, members } = last.result
  if (last.method === 'POST' && isRejection(status) && !TRANSIENT.includes(members?.error))
    return new ProblemError('identity-provider-rejected', { cause })
  const retryAfterSeconds = parseRetryAfter(retryAfter, Date.now())
  return new ProblemError('identity-provider-unavailable', { cause, retryAfterSeconds })
}

function causeOf(error: unknown, last: Exchange | undefined, issuer: URL | undefined): Error {
  if (error instanceof CredentialFileError) return error
  if (!last) return new Error(`token request not sent: ${errorCodeOrName(error)}`)
  const { result } = last
  if (result instanceof RequestFailure) return result
  return issuer && errorCodeOrName(error) === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'
    ? new IssuerMismatchError(issuer.href, result.members?.issuer)
    : new TokenResponseError(responseMessage(last, error, result), result)
}

function isRejection(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function responseMessage(
  { method, url }: Exchange,
  error: unknown,
  { status, members }: IdentityProviderResponse,
): string {
  const request = method === 'POST' ? 'token request' : 'discovery'
  const facts = [
    `${hostAndPort(url)} answered the ${request} with status ${status}`,
    status === 200 ? reasonOf(error, members) : undefined,
    loggableErrorCode(members?.error),
    entraErrorNumber(members?.error_description),
  ]
  return facts.filter((fact) => fact !== undefined).join(', ')
}

/** Why a response with status 200 is not accepted. */
function reasonOf(error: unknown, members: IdentityProviderResponse['members']): string {
  if (!members) return 'without a JSON object'
  return error instanceof UnusableResponseError ? error.message : errorCodeOrName(error)
}
