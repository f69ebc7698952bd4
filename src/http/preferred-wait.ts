/** Load balancers cut idle connections after 60 s. This leaves time for the read of CDF. */
const MAX_WAIT_SECONDS = 25

/** One preference (RFC 7240 §2): a name, an optional value as a token or in quotes, optional parameters. */
const WAIT = /^wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;.*)?$/i

/**
 * The `wait` preference of a request in seconds, 1 to 25; `undefined` if there is no valid one.
 * @param prefer the `Prefer` header; the first of several `wait` preferences counts
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
