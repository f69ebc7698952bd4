/** Load balancers cut what is idle for a minute; this leaves them time, and CDF. */
const MAX_WAIT_SECONDS = 25

/** One preference (RFC 7240 §2): a name, perhaps a value as a token or in quotes, perhaps parameters. */
const WAIT = /^wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;.*)?$/i

/**
 * For how long a caller wants to wait, in seconds from 1 to 25; `undefined` if it says nothing that is understood.
 * @param prefer the `Prefer` header; of several preferences of one name, the first one counts
 * @see https://www.rfc-editor.org/rfc/rfc7240#section-4.3
 */
export function preferredWaitSeconds(prefer: string | string[] | undefined): number | undefined {
  if (prefer === undefined) return undefined
  const first = String(prefer)
    .split(',')
    .map((preference) => preference.trim())
    .find((preference) => /^wait\s*(?:[=;]|$)/i.test(preference))
  const match = first === undefined ? null : WAIT.exec(first)
  const seconds = Number(match?.[1] ?? match?.[2] ?? 0)
  return seconds > 0 ? Math.min(seconds, MAX_WAIT_SECONDS) : undefined
}
