import { createHmac, hash } from 'node:crypto'
import type { JWTPayload } from 'jose'

/** Who asks, as far as their token tells. */
export interface Caller {
  /** `client_id` (RFC 9068), `azp` or `appid`, for the log: its first 200 characters; empty if the token has none. */
  readonly clientId: string
  /**
   * `{ client, subject }` for the log, serialized: with {@link clientId}, and a keyed hash of the subject, which tells
   * callers apart and not who they are; empty if there is none.
   */
  readonly forLog: string
  /** A hash of subject and client, for limits: the same text for every token of theirs; empty if it has neither. */
  readonly key: string
  /** When the token ends, milliseconds since the epoch. */
  readonly expiresAtMs: number
  /** Whether the token has the scope that is asked for. */
  readonly hasRequiredScope: boolean
}

/**
 * The caller whom the claims of a verified token describe.
 * @param subjectKey of the hash of the subject
 * @param requiredScope must be in `scope` (RFC 8693 §4.2), `scp` or `roles`; absent = none is required
 */
export function callerOf(
  payload: JWTPayload,
  subjectKey: Buffer,
  requiredScope: string | undefined,
): Caller {
  const { sub, client_id: clientId, azp, appid, scope, scp, roles } = payload
  const subject = typeof sub === 'string' ? sub : ''
  const client = String([clientId, azp, appid].find((value) => typeof value === 'string') ?? '')
  const shortClient = client.slice(0, 200)
  const subjectHash =
    subject && createHmac('sha256', subjectKey).update(subject).digest('base64url').slice(0, 16)
  return {
    clientId: shortClient,
    forLog: JSON.stringify({ client: shortClient, subject: subjectHash }),
    expiresAtMs: (payload.exp ?? 0) * 1000,
    // The length tells where the subject ends, whatever is in it.
    key: subject || client ? hashOf(`${subject.length}:${subject}${client}`) : '',
    hasRequiredScope:
      requiredScope === undefined ||
      [scope, scp, roles].some((claim) => wordsOf(claim).includes(requiredScope)),
  }
}

/** A space-separated text (RFC 8693 §4.2) or a list, as issuers have both. */
function wordsOf(claim: unknown): unknown[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim : []
}

/** SHA-256: what is kept in place of a token or of a name. */
export function hashOf(text: string): string {
  return hash('sha256', text, 'base64')
}
