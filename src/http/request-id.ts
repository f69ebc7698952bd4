import { randomUUID } from 'node:crypto'

const ACCEPTED = /^[A-Za-z0-9._-]{1,64}$/

/**
 * The id of a request: the caller's `x-request-id` if it is 1–64 of `[A-Za-z0-9._-]`, else a new UUID.
 * Node joins repeated headers with a comma, so a repeated header is replaced too.
 */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === 'string' && ACCEPTED.test(header) ? header : randomUUID()
}
