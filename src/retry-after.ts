/** Nobody is made to wait longer than this for what somebody else's server says. */
const MAX_SECONDS = 60

/**
 * The seconds that a `Retry-After` header asks for, within 1–60, or `undefined` if there is none that can be read.
 * @param header delta-seconds or an HTTP date
 * @param nowMs the wall clock, milliseconds since the epoch
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function parseRetryAfter(
  header: string | string[] | null | undefined,
  nowMs: number,
): number | undefined {
  if (typeof header !== 'string') return undefined
  // Date.parse takes almost anything for a date; every HTTP date that is still sent ends with GMT.
  const dateMs = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((dateMs - nowMs) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 1), MAX_SECONDS)
}
