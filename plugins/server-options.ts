import type { Server } from 'node:http'
import type { FastifyHttpOptions } from 'fastify'
import { errorForLog } from '../src/error-for-log.ts'
import { requestIdFrom } from '../src/request-id.ts'
import { RequestLogController } from './access-log.ts'
import type { LogDestination } from './log-output.ts'
import { NO_COMPILERS } from './no-compilers.ts'
import { answerFrameworkError, answerParserError } from './problems.ts'

/** A request must have arrived whole within this. No route takes a body, so that it is a few packets. */
const REQUEST_TIMEOUT_MS = 10_000

/** Up to here an over-long job id is a bad job id (400); beyond, the URL itself is too long (414). */
const MAX_PARAM_LENGTH = 1024

/** What of it the environment decides. */
export interface ServerSettings {
  logLevel: string
  /** Whose `X-Forwarded-*` headers count: nobody's, those of these addresses, or of those that the function names. */
  trustProxy: false | string[] | ((address: string, hop: number) => boolean)
}

/** How Fastify and the HTTP server below it are set up. */
export function serverOptions({ logLevel, trustProxy }: ServerSettings, stream: LogDestination) {
  return {
    logger: { level: logLevel, serializers: { err: errorForLog }, stream },
    // The access log writes one line for each request instead of two.
    logController: new RequestLogController(),
    genReqId: ({ headers }) => requestIdFrom(headers['x-request-id']),
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerParserError,
    schemaController: NO_COMPILERS,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    trustProxy,
    // While draining, what still comes in is served; Fastify's own 503 would be no problem in our form.
    return503OnClosing: false,
    // Fastify sets it on the server, over what `http` says.
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      // No route takes a body: without it, a stream is made for each request and read to its end (+4 % of cached answers).
      optimizeEmptyRequests: true,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 2_000,
      // A missing Host header gets its problem from request-framing instead of a bare line from Node.
      requireHostHeader: false,
    },
  } satisfies FastifyHttpOptions<Server>
}
