/**
 * The registered error codes of OAuth, without those that only a browser's redirect can carry.
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5.2
 * @see https://www.iana.org/assignments/oauth-parameters/oauth-parameters.xhtml#extensions-error
 */
const REGISTERED: ReadonlySet<string> = new Set(
  `invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope
  access_denied server_error temporarily_unavailable invalid_token insufficient_scope interaction_required
  login_required consent_required need_info request_denied request_submitted authorization_pending slow_down
  expired_token invalid_target unsupported_pop_key incompatible_ace_profiles invalid_authorization_details
  invalid_dpop_proof use_dpop_nonce insufficient_user_authentication`.split(/\s+/),
)

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
