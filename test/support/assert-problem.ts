import type { Test } from 'tap'
import type { HttpResponse } from './request.ts'

/** Asserts that a response is this problem and has the headers of every problem. */
export function assertProblem(
  t: Test,
  { status, headers, body }: Pick<HttpResponse, 'status' | 'headers' | 'body'>,
  expectedStatus: number,
  code: string,
): void {
  t.equal(status, expectedStatus)
  t.equal(headers.get('content-type'), 'application/problem+json')
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  t.equal(headers.get('referrer-policy'), 'no-referrer')
  t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
  const requestId = headers.get('x-request-id')
  t.match(requestId, /^[A-Za-z0-9._-]{1,64}$/)
  t.match(body, { type: `/problems/${code}`, status, code, requestId })
}
