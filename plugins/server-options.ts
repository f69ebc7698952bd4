import type { Server } from 'node:http'
import { type FastifyHttpOptions, type FastifyRequest, LogController } from 'fastify'
import { requestIdFrom } from '../src/http/request-id.ts'
import type { LogDestination } from '../src/telemetry/buffered-destination.ts'
import { errorCode, serializeError } from '../src/telemetry/error-serializer.ts'
import { OWN_VALIDATORS } from './own-validators.ts'
import { answerFrameworkError, answerParserError } from './problems.ts'

/** Time limit for receiving a whole request. No route reads a body, so a request is a few packets. */
const REQUEST_TIMEOUT_MS = 10_000

/** Closes a connection without traffic during a request. Longer than any wait (25 s) and the heartbeat of a stream (15 s). */
const IDLE_TIMEOUT_MS = 60_000

/** Up to this length, an over-long job id is a 400; beyond it, a 414. */
const MAX_PARAM_LENGTH = 1024

/** Request line and headers: an access token of 16 KiB, and cookies. Node's default is 16 KiB. */
const MAX_HEADER_BYTES = 32 * 1024

/** The part of the server options that is configurable. */
export interface ServerSettings {
  logLevel: string
  /** How long an idle connection stays open after a response: longer than the proxies in front keep theirs. */
  keepAliveTimeoutMs: number
  /** The proxies whose `X-Forwarded-*` headers count, in the form of Fastify's option. */
  trustProxy: false | string[] | ((address: string, hop: number) => boolean)
}

/** Fastify's options. */
export function serverOptions(
  { logLevel, keepAliveTimeoutMs, trustProxy }: ServerSettings,
  stream: LogDestination,
) {
  return {
    logger: { level: logLevel, serializers: { err: serializeError }, stream },
    logController: new AccessLogOnlyController(),
    // A child logger for each request takes 8 % of the time of a hit, and few requests log anything but their access log
    // line. `request.log` is the logger of the app, so pass the request id.
    childLoggerFactory: (logger) => logger,
    genReqId: ({ headers }) => requestIdFrom(headers['x-request-id']),
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerParserError,
    schemaController: OWN_VALIDATORS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    trustProxy,
    // Requests during shutdown are served. Fastify's own 503 is not a problem document.
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    // Between requests, none of the other time limits applies.
    keepAliveTimeout: keepAliveTimeoutMs,
    http: {
      // Without a stream for the body that no request has, a cached response takes 4 % less time.
      optimizeEmptyRequests: true,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
      // A missing Host header is answered by strict-request with a problem.
      requireHostHeader: false,
    },
  } satisfies FastifyHttpOptions<Server>
}

/** Leaves the logging of requests to the access log, also if a caller disconnects during a stream. */
class AccessLogOnlyController extends LogController {
  constructor() {
    super({ disableRequestLogging: true, requestIdLogLabel: 'requestId' })
  }

  override streamError(error: Error, request: FastifyRequest): void {
    if (errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE')
      request.log.error({ requestId: request.id, err: error }, 'stream failed')
  }
}
