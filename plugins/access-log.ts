import type { FastifyReply, FastifyRequest } from 'fastify'
import { LogController } from 'fastify'
import fp from 'fastify-plugin'
import { parseJobId } from '../src/cdf/job-id.ts'
import type { JobReadSummary } from '../src/jobs/job-read.ts'
import { countedOutcomeOf } from '../src/jobs/job-read.ts'
import type { RequestMode } from '../src/metrics.ts'
import type { ProblemCode } from '../src/problem.ts'
import { parseTraceparent } from '../src/trace-context.ts'

/** What the log says in place of a status where nobody waited for one; nginx made it known. */
const CALLER_GONE = 499

/** One line for each request when it is over, and its place in the metrics; see {@link requestEnded}. */
export const accessLogPlugin = fp(
  async function accessLog(app) {
    app.decorateReply('problemCode')
    app.decorateReply('jobRead')
    // Not `onResponse`, which does not come for whoever has hung up.
    app.addHook('onRequest', (request, reply, done) => {
      reply.raw.once('close', () => {
        requestEnded(request, reply, reply.raw.headersSent ? reply.statusCode : CALLER_GONE)
      })
      done()
    })
    // The signal of a request does not tell of what was before somebody asked for it.
    app.addHook('preHandler', (_request, reply, done) => {
      done(reply.raw.destroyed ? new Error('the caller has hung up') : undefined)
    })
  },
  { name: 'access-log', dependencies: ['metrics'] },
)

/** For what Fastify logs itself: nothing but a stream that failed, and not because its caller has left. */
export class RequestLogController extends LogController {
  constructor() {
    super({ disableRequestLogging: true, requestIdLogLabel: 'requestId' })
  }

  override streamError(error: Error, request: FastifyRequest): void {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') {
      request.log.error({ err: error }, 'stream failed')
    }
  }
}

/**
 * Counts and logs a request. The line names what was asked by the route's pattern and never holds the query, which may
 * carry what a caller should have kept to itself. Good probes are logged at `debug`, failures of ours and of those
 * behind us at `warn`.
 * @param status what was answered
 */
export function requestEnded(request: FastifyRequest, reply: FastifyReply, status: number): void {
  const { url: route } = request.routeOptions
  const { problemCode: code, jobRead } = reply
  const { metrics } = request.server
  const mode = modeOf(route, reply)
  const labels = { method: request.method, route: route ?? 'none', status, mode }
  metrics.requests.observe(labels, reply.elapsedTime / 1000)
  if (code) metrics.problems.inc({ code })

  const isGoodProbe = route?.startsWith('/health/') && status < 400
  const level = isGoodProbe ? 'debug' : status < 500 ? 'info' : 'warn'
  request.log[level](
    {
      traceId: parseTraceparent(request.headers.traceparent)?.traceId,
      method: request.method,
      route,
      mode,
      // What is no job id may be anything, a token pasted to the wrong place included.
      jobId: parseJobId((request.params as { jobId?: string } | null)?.jobId ?? ''),
      jobs: numberOfJobs(request),
      status,
      code,
      caller: callerOf(request),
      cache: jobRead && countedOutcomeOf(jobRead),
      upstream: upstreamOf(jobRead),
      durationMs: rounded(reply.elapsedTime),
    },
    'request',
  )
}

/** Of a list, as far as it was valid. */
function numberOfJobs({ query, params }: FastifyRequest): number | undefined {
  if ((params as { jobId?: string } | null)?.jobId !== undefined) return undefined
  const jobId = (query as { jobId?: unknown } | null)?.jobId
  return Array.isArray(jobId) ? jobId.length : undefined
}

function modeOf(route: string | undefined, reply: FastifyReply): RequestMode {
  if (route?.endsWith('/events')) return 'stream'
  return reply.hasHeader('preference-applied') ? 'wait' : 'plain'
}

function callerOf({ caller }: FastifyRequest) {
  return caller ? { client: caller.clientId, subject: caller.subjectHash } : undefined
}

function upstreamOf(read: JobReadSummary | undefined) {
  if (!read?.upstream) return undefined
  const { attempts, last, durationMs } = read.upstream
  return { attempts, ...last, durationMs: rounded(durationMs) }
}

/** Milliseconds, to the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was sent, if one was. */
    problemCode: ProblemCode | undefined
    /** How the job or jobs were read that the answer is about. */
    jobRead: JobReadSummary | undefined
  }
}
