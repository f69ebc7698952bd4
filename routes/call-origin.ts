import type { FastifyRequest } from 'fastify'
import type { CallOrigin } from '../src/jobs/job-watches.ts'
import { continueTrace } from '../src/trace-context.ts'

/** What of a request goes to CDF with the call that it causes: its id and its trace. */
export function originOf({ id, headers }: FastifyRequest): CallOrigin {
  return { requestId: id, traceparent: continueTrace(headers.traceparent) }
}
