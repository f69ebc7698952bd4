import type { FastifyReply, FastifyRequest } from 'fastify'
import { traceOfRequest } from '../plugins/request-trace.ts'
import type { CallOrigin } from '../src/jobs/job-watches.ts'
import { traceparentIn } from '../src/trace-context.ts'

/** What of a request goes to CDF with the call that it causes: its id and its trace. */
export function originOf(request: FastifyRequest): CallOrigin {
  return { requestId: request.id, traceparent: traceparentIn(traceOfRequest(request)) }
}

/**
 * Aborts when the caller hangs up. Not `request.signal`, which goes by the stream of the request's body: there is none
 * (`optimizeEmptyRequests`).
 */
export function callerSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort()
  })
  return gone.signal
}
