import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LogController } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import type { AccessEntry } from '../src/access-line.ts'
import { accessLine, rounded } from '../src/access-line.ts'
import { parseJobId } from '../src/cdf/job-id.ts'
import type { JobReadSummary } from '../src/jobs/job-read.ts'
import { countedOutcomeOf } from '../src/jobs/job-read.ts'
import type { ProblemCode } from '../src/problem-table.ts'
import type { RequestMode } from '../src/request-durations.ts'
import { spanRecorder } from '../src/trace-context.ts'
import type { LogOutput } from './log-output.ts'
import { traceOfRequest } from './request-trace.ts'

/** What the log says in place of a status where nobody waited for one; nginx made it known. */
const CALLER_GONE = 499

const { debug: DEBUG = 20, info: INFO = 30, warn: WARN = 40 } = pino.levels.values

/** Options of {@link accessLogPlugin}. */
export interface AccessLogOptions {
  log: LogOutput
}

/** One line for each request when it is over, and its place in the metrics; see {@link requestEnded}. */
export const accessLogPlugin = fp(
  async function accessLog(app, { log }: AccessLogOptions) {
    const leastLevel = pino.levels.values[app.log.level] ?? Number.POSITIVE_INFINITY
    app.decorate('logRequest', (entry: AccessEntry) => {
      if (entry.level >= leastLevel) log.requests.write(accessLine(entry))
    })
    app.addHook('onClose', async () => log.close())
    app.decorateReply('problemCode')
    app.decorateReply('jobRead')
    app.decorateRequest('refused')
    // Whoever hangs up gets no answer that could be completed. Once for each connection, not for each of its requests.
    app.server.on('connection', (socket: Socket & { _httpMessage?: OpenResponse | null }) => {
      socket.on('close', () => {
        const { _httpMessage: response } = socket
        if (response && !response.writableFinished) callerLeft(response)
      })
    })
  },
  { name: 'access-log', dependencies: ['metrics', 'request-trace'] },
)

/** The reply of a request that is not over. */
const REPLY = Symbol('reply')
type OpenResponse = ServerResponse & { [REPLY]?: FastifyReply | undefined }

function callerLeft(response: OpenResponse): void {
  const reply = response[REPLY]
  if (!reply) return
  if (!response.headersSent) spanRecorder()?.abandon(reply.request.raw)
  replyEnded(reply, response.headersSent ? reply.statusCode : CALLER_GONE)
}

/**
 * {@link requestEnded}, once for each request, whatever comes after its end.
 * @param status what was answered
 */
export function replyEnded(reply: FastifyReply, status: number): void {
  const response: OpenResponse = reply.raw
  if (!response[REPLY]) return
  response[REPLY] = undefined
  requestEnded(reply.request, reply, status)
}

/**
 * What Fastify tells of requests, for {@link accessLogPlugin}: with a hook and a listener of our own, a cached answer took
 * 7 % more time. What Fastify logs itself is only a stream that failed, and not because its caller has left.
 */
export class RequestLogController extends LogController {
  constructor() {
    super({ disableRequestLogging: true, requestIdLogLabel: 'requestId' })
  }

  override incomingRequest(_request: FastifyRequest, reply: FastifyReply): void {
    const response: OpenResponse = reply.raw
    response[REPLY] = reply
    // Behind another one on its connection, which the connection's listener does not see.
    if (response.socket === null) {
      response.once('close', () => {
        if (!response.writableFinished) callerLeft(response)
      })
    }
  }

  override requestCompleted(
    _error: Error | null | undefined,
    _request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    replyEnded(reply, reply.statusCode)
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
function requestEnded(request: FastifyRequest, reply: FastifyReply, status: number): void {
  const { method, server, caller } = request
  const route = request.refused ? request.refused.route : request.routeOptions.url
  const { problemCode: code, jobRead, elapsedTime: durationMs } = reply
  const mode = modeOf(route, reply)
  const labels = server.metrics.requests.count(method, route, status, mode, durationMs / 1000)
  if (code) server.metrics.problems.inc({ code })

  const isGoodProbe = route?.startsWith('/health/') && status < 400
  server.logRequest({
    level: isGoodProbe ? DEBUG : status < 500 ? INFO : WARN,
    timeMs: Date.now(),
    requestId: request.id,
    traceId: traceOfRequest(request).traceId,
    jobId: jobIdOf(request, jobRead),
    labels,
    jobs: numberOfJobs(request),
    code,
    caller: caller?.forLog,
    cache: jobRead && countedOutcomeOf(jobRead),
    upstream: upstreamOf(jobRead),
    durationMs,
  })
}

/** What is no job id may be anything, a token pasted to the wrong place included. */
function jobIdOf({ params }: FastifyRequest, jobRead: JobReadSummary | undefined) {
  const jobId = (params as { jobId?: string } | null)?.jobId
  // What was read for was checked before, and is in canonical form.
  return jobRead || jobId === undefined ? jobId : parseJobId(jobId)
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

function upstreamOf(read: JobReadSummary | undefined) {
  if (!read?.upstream) return undefined
  const { attempts, last, durationMs } = read.upstream
  return { attempts, ...last, durationMs: rounded(durationMs) }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Writes the line of a request, if such lines are logged. */
    logRequest: (entry: AccessEntry) => void
  }
  interface FastifyRequest {
    /** What was asked with a method that no route has: the pattern of the route that has others, if there is one. */
    refused: { route: string | undefined } | undefined
  }
  interface FastifyReply {
    /** The code of the problem that was sent, if one was. */
    problemCode: ProblemCode | undefined
    /** How the job or jobs were read that the answer is about. */
    jobRead: JobReadSummary | undefined
  }
}
