import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type Trace, traceFrom } from '../src/telemetry/trace-context.ts'

/**
 * Assigns each request to a trace, see {@link requestTrace}. The access log names the trace, and upstream requests
 * continue it.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export const requestTracePlugin = fp(
  async function requestTrace(app) {
    app.decorateRequest('trace', undefined)
  },
  { name: 'request-trace' },
)

/**
 * The caller's trace, or a new one with the digits of a generated request id. With OpenTelemetry, the header already holds
 * the request's own span.
 */
export function requestTrace(request: FastifyRequest): Trace {
  const { id, headers } = request
  const generatedId = headers['x-request-id'] === id ? undefined : id
  request.trace ??= traceFrom(headers.traceparent, generatedId)
  return request.trace
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on first use; read it with {@link requestTrace}. */
    trace: Trace | undefined
  }
}
