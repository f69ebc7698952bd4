import type { FastifyReply, FastifyRequest } from 'fastify'
import { LogController } from 'fastify'
import fp from 'fastify-plugin'
import { parseJobId } from '../src/cdf/job-id.ts'
import type { ProblemCode } from '../src/problem.ts'

/** One line per request, when it is over; see {@link logRequest}. */
export const accessLogPlugin = fp(
  async function accessLog(app) {
    app.decorateReply('problemCode')
    app.addHook('onResponse', (request, reply, done) => {
      logRequest(request, reply, reply.statusCode)
      done()
    })
  },
  { name: 'access-log' },
)

/** For what Fastify logs itself: nothing but a stream that its caller has left, for which no `onResponse` comes. */
export class RequestLogController extends LogController {
  constructor() {
    super({ disableRequestLogging: true, requestIdLogLabel: 'requestId' })
  }

  override streamError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') {
      request.log.error({ err: error }, 'stream failed')
    }
    logRequest(request, reply, reply.statusCode)
  }
}

/**
 * Logs a request. The line names what was asked by the route's pattern and never holds the query, which may carry what
 * a caller should have kept to itself. Good probes are logged at `debug`, failures of ours and of those behind us at `warn`.
 * @param status what was answered
 */
export function logRequest(request: FastifyRequest, reply: FastifyReply, status: number): void {
  const { url: route } = request.routeOptions
  const isGoodProbe = route?.startsWith('/health/') && status < 400
  const level = isGoodProbe ? 'debug' : status < 500 ? 'info' : 'warn'
  request.log[level](
    {
      method: request.method,
      route,
      // What is no job id may be anything, a token pasted to the wrong place included.
      jobId: parseJobId((request.params as { jobId?: string } | null)?.jobId ?? ''),
      status,
      code: reply.problemCode,
      cache: reply.getHeader('cache-status'),
      durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
    },
    'request',
  )
}

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was sent, if one was. */
    problemCode: ProblemCode | undefined
  }
}
