import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Trace } from '../src/trace-context.ts'
import { traceOf } from '../src/trace-context.ts'

/**
 * Every request belongs to one trace, see {@link traceOfRequest}. The log names it, and the calls that the request
 * causes go on with it.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export const requestTracePlugin = fp(
  async function requestTrace(app) {
    app.decorateRequest('trace', undefined)
  },
  { name: 'request-trace' },
)

/**
 * The caller's trace, or a new one, under the request's own id where that was made here. (Where spans are recorded, it is
 * the request's own span that stands in the header.)
 */
export function traceOfRequest(request: FastifyRequest): Trace {
  const { id, headers } = request
  // An id that the caller chose may be no UUID, and not the first of its kind.
  const isOurs = headers['x-request-id'] !== id
  request.trace ??= traceOf(headers.traceparent, isOurs ? id : undefined)
  return request.trace
}

declare module 'fastify' {
  interface FastifyRequest {
    /** As far as somebody has asked for it. */
    trace: Trace | undefined
  }
}
