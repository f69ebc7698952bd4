/** Upper limit for what another server demands. */
const MAX_SECONDS = 60

/**
 * The seconds of a `Retry-After` header, clamped to 1–60; `undefined` if it is missing or invalid.
 * @param header delta-seconds or an HTTP date
 * @param nowMs the wall clock, milliseconds since the epoch
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function parseRetryAfter(
  header: string | string[] | null | undefined,
  nowMs: number,
): number | undefined {
  if (typeof header !== 'string') return undefined
  // Date.parse accepts almost anything. HTTP dates end with GMT.
  const dateMs = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((dateMs - nowMs) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 1), MAX_SECONDS)
}
