import { randomBytes } from 'node:crypto'

const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/

/**
 * The `traceparent` to send upstream: the caller's trace with a new parent id, or a new trace, not sampled,
 * if the caller sent none or an invalid one.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function continueTrace(header: string | string[] | undefined): string {
  const parentId = randomBytes(8).toString('hex')
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null
  // Version 00 has exactly four parts; a later version may have more, which must be ignored.
  if (!match || (match[1] === '00' && match[4] !== undefined)) {
    return `00-${randomBytes(16).toString('hex')}-${parentId}-00`
  }
  const sampled = (Number.parseInt(match[3] as string, 16) & 1) === 1
  return `00-${match[2]}-${parentId}-${sampled ? '01' : '00'}`
}
