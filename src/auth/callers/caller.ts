import { createHmac, hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { loggableText } from '../../telemetry/loggable-text.ts'

/** The caller that an access token identifies. */
export interface Caller {
  /** `client_id` (RFC 9068), `azp`, `appid` or `cid` for the log, cut at 200 characters; empty if the token has none. */
  readonly clientId: string
  /**
   * `{ client, subject }` for the log, as serialized JSON. `subject` is a keyed hash, which tells callers apart without
   * naming them; empty if the token has no `sub`.
   */
  readonly logFields: string
  /** Key for limits: a hash of subject and client, so the same for all tokens of a caller; empty if it has neither. */
  readonly key: string
  /** Expiry of the token, milliseconds since the epoch. */
  readonly expiresAtMs: number
  /** Whether the token has the required scope. */
  readonly hasRequiredScope: boolean
}

const MAX_CLIENT_ID_LENGTH = 200

/**
 * The caller from the claims of a verified token.
 * @param subjectKey key of the subject's hash
 * @param requiredScope looked for in `scope` (RFC 8693 §4.2), `scp`, `roles` and `permissions`; absent = no scope is required
 */
export function toCaller(
  payload: JWTPayload,
  subjectKey: Buffer,
  requiredScope: string | undefined,
): Caller {
  const { sub, client_id: clientId, azp, appid, cid, scope, scp, roles, permissions } = payload
  const subject = typeof sub === 'string' ? sub : ''
  const client = String(
    [clientId, azp, appid, cid].find((value) => typeof value === 'string') ?? '',
  )
  const clientForLog = loggableText(client, MAX_CLIENT_ID_LENGTH)
  const subjectHash =
    subject && createHmac('sha256', subjectKey).update(subject).digest('base64url').slice(0, 16)
  return {
    clientId: clientForLog,
    logFields: JSON.stringify({ client: clientForLog, subject: subjectHash }),
    expiresAtMs: (payload.exp ?? 0) * 1000,
    // The length separates subject and client unambiguously.
    key: subject || client ? sha256(`${subject.length}:${subject}${client}`) : '',
    hasRequiredScope:
      requiredScope === undefined ||
      [scope, scp, roles, permissions].some((claim) => toList(claim).includes(requiredScope)),
  }
}

/** Issuers send scopes as a space-separated string (RFC 8693 §4.2) or as an array. */
function toList(claim: unknown): unknown[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim : []
}

/** SHA-256 in base64. Tokens and names are stored only as a hash. */
export function sha256(text: string): string {
  return hash('sha256', text, 'base64')
}
