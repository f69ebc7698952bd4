import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import { parseJobId } from '../src/cdf/job-id.ts'
import { countedOutcome, type ReadSummary } from '../src/jobs/read-result.ts'
import type { ProblemCode } from '../src/problems/problem-types.ts'
import type { LogDestinations } from '../src/telemetry/buffered-destination.ts'
import type { AccessLogEntry, RequestMode } from '../src/telemetry/format-access-log.ts'
import { formatAccessLog, roundMs } from '../src/telemetry/format-access-log.ts'
import { getSpanRecorder } from '../src/telemetry/trace-context.ts'
import { requestTrace } from './request-trace.ts'

/** The status in the log if the caller disconnected before the response; the convention of nginx. */
const CLIENT_CLOSED_REQUEST = 499

const COMMON_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'POST'])

const { debug: DEBUG = 20, info: INFO = 30, warn: WARN = 40 } = pino.levels.values

interface AccessLogOptions {
  destinations: LogDestinations
}

/** Counts each request and writes one log line for it when it has completed, or when its caller has disconnected. */
export const accessLogPlugin = fp(
  async function accessLog(app, { destinations }: AccessLogOptions) {
    const minLevel = pino.levels.values[app.log.level] ?? Number.POSITIVE_INFINITY
    app.decorate('logRequest', (entry: AccessLogEntry) => {
      if (entry.level >= minLevel) destinations.accessLog.write(formatAccessLog(entry))
    })
    app.decorateReply('problemCode')
    app.decorateReply('readSummary')
    app.decorateRequest('isUnlogged', false)
    app.onReplyEnd(record)
    app.addHook('onClose', async () => destinations.close())
  },
  { name: 'access-log', dependencies: ['metrics', 'request-trace', 'open-replies'] },
)

/** For a request that Fastify rejects before its hooks: records it when its response closes. */
export function recordOnClose(reply: FastifyReply): void {
  reply.raw.once('close', () => record(reply))
}

/**
 * The log line holds the route's pattern and never the URL, which can hold secrets. Successful probes are logged at
 * `debug`, 5xx at `warn`.
 */
function record(reply: FastifyReply): void {
  const { request, raw: response } = reply
  const status = response.headersSent ? reply.statusCode : CLIENT_CLOSED_REQUEST
  if (!response.headersSent) getSpanRecorder()?.abort(request.raw)
  const { method, server, caller } = request
  const route = request.routeOptions.url ?? request.matchedRoute
  const { problemCode: code, readSummary, elapsedTime: durationMs } = reply
  const mode = modeOf(route, reply)
  server.metrics.requests.observe(
    { method: methodLabel(method), route: route ?? 'none', status, mode },
    durationMs / 1000,
  )
  if (code) server.metrics.problems.inc({ code })

  const isSuccessfulProbe = route?.startsWith('/health/') && status < 400
  if (request.isUnlogged) return
  server.logRequest({
    level: isSuccessfulProbe ? DEBUG : status < 500 ? INFO : WARN,
    timeMs: Date.now(),
    requestId: request.id,
    traceId: requestTrace(request).traceId,
    jobId: jobIdOf(request, readSummary),
    method,
    route,
    status,
    mode,
    jobs: numberOfJobs(request),
    code,
    caller: caller?.logFields,
    cache: readSummary && countedOutcome(readSummary),
    upstream: upstreamFields(readSummary),
    durationMs,
  })
}

/** Rare methods share one label, so that callers cannot multiply the series. */
function methodLabel(method: string): string {
  return COMMON_METHODS.has(method) ? method : 'other'
}

/** An invalid job id is not logged: it can be anything, even a token in the wrong place. */
function jobIdOf(
  { params }: FastifyRequest,
  readSummary: ReadSummary | undefined,
): string | undefined {
  const jobId = (params as { jobId?: string } | null)?.jobId
  // A job that was read has a valid id.
  return readSummary || jobId === undefined ? jobId : parseJobId(jobId)
}

/** Number of jobs in a valid list; validation replaces the query with an array. */
function numberOfJobs({ query }: FastifyRequest): number | undefined {
  const jobId = (query as { jobId?: unknown } | null)?.jobId
  return Array.isArray(jobId) ? jobId.length : undefined
}

function modeOf(route: string | undefined, reply: FastifyReply): RequestMode {
  if (route?.endsWith('/events')) return 'stream'
  return reply.hasHeader('preference-applied') ? 'wait' : 'plain'
}

function upstreamFields(read: ReadSummary | undefined) {
  if (!read?.upstream) return undefined
  const { attempts, last, durationMs } = read.upstream
  return { attempts, ...last, durationMs: roundMs(durationMs) }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Writes an access log line if the log level allows it. */
    logRequest: (entry: AccessLogEntry) => void
  }
  interface FastifyRequest {
    /** Whether the request has no line of its own, because a summary counts it. */
    isUnlogged: boolean
  }
  interface FastifyReply {
    /** The code of the problem that was sent. */
    problemCode: ProblemCode | undefined
    /** How the jobs in the response were read. */
    readSummary: ReadSummary | undefined
  }
}
