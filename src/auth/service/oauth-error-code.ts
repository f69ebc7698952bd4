/**
 * The registered error codes of OAuth, without those that only a browser's redirect can carry.
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5.2
 * @see https://www.iana.org/assignments/oauth-parameters/oauth-parameters.xhtml#extensions-error
 */
const REGISTERED: ReadonlySet<string> = new Set([
  // RFC 6749
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'access_denied',
  'server_error',
  'temporarily_unavailable',
  // RFC 6750
  'invalid_token',
  'insufficient_scope',
  // OpenID Connect Core; Entra ID uses them at its token endpoint too
  'interaction_required',
  'login_required',
  'consent_required',
  // UMA 2.0
  'need_info',
  'request_denied',
  'request_submitted',
  // RFC 8628
  'authorization_pending',
  'slow_down',
  'expired_token',
  // RFC 8707
  'invalid_target',
  // RFC 9200
  'unsupported_pop_key',
  'incompatible_ace_profiles',
  // RFC 9396
  'invalid_authorization_details',
  // RFC 9449
  'invalid_dpop_proof',
  'use_dpop_nonce',
  // RFC 9470
  'insufficient_user_authentication',
])

/** The `error` of a response for the log: as it is if it is registered, because any other text could be anything. */
export function loggableErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'string') return undefined
  return REGISTERED.has(error) ? error : 'an unregistered error code'
}

/**
 * The error number of Entra ID at the beginning of an `error_description`, such as `AADSTS7000215`.
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
export function entraErrorNumber(description: unknown): string | undefined {
  if (typeof description !== 'string') return undefined
  return /^AADSTS\d{4,10}(?!\d)/.exec(description)?.[0]
}
