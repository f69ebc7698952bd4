import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { codeOf } from '../src/error-for-log.ts'
import { nodeHttp } from '../src/node-http.ts'
import { ProxyError } from '../src/problem.ts'
import { requestIdFrom } from '../src/request-id.ts'
import { replyEnded } from './access-log.ts'
import { COMMON_HEADERS } from './response-headers.ts'

/** RFC 9457. A registered parameter `charset` does not exist. */
const PROBLEM_TYPE = 'application/problem+json'

/**
 * Every failure as a problem: what handlers throw, unknown routes, and what Fastify itself refuses.
 * {@link answerFrameworkError} and {@link answerParserError} do the same for what never reaches a route; they are
 * options of the server, not hooks.
 */
export const problemsPlugin = fp(
  async function problems(app) {
    app.setErrorHandler(async (error: FastifyError, request, reply) => {
      if (!reply.raw.destroyed) return sendProblem(request, reply, error)
      // The caller has hung up, which is why its read ended. There is nobody to answer and nothing wrong.
      return reply.hijack()
    })
    app.setNotFoundHandler(async (request, reply) =>
      sendProblem(request, reply, new ProxyError('not-found')),
    )
  },
  { name: 'problems', dependencies: ['response-headers', 'access-log'] },
)

/** For `frameworkErrors`: a URL that cannot be decoded, an over-long parameter. No hook has run. */
export function answerFrameworkError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.header('x-request-id', request.id)
  reply.headers(request.server.corsHeadersFor(request.headers.origin))
  if (request.server.lifeCycle.draining) reply.header('connection', 'close')
  sendProblem(request, reply, error)
  replyEnded(reply, reply.statusCode)
}

/** What Node's HTTP parser reports when it cannot read a request. */
interface ParserError extends Error {
  code?: string
  /** The bytes that could not be read: a Buffer, whatever the types of Fastify say. */
  rawPacket?: unknown
}

/** For `clientErrorHandler`: there is no request, only a socket. The connection ends, since its framing is lost. */
export function answerParserError(this: unknown, error: ParserError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // A connection that was opened in advance and never used.
  if (socket.bytesRead === 0) {
    socket.destroy()
    return
  }
  const tooLarge =
    error.code === 'HPE_HEADER_OVERFLOW' || error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
  // Fastify calls it as a method of the app.
  const app = this as FastifyInstance
  endWithProblem(
    app,
    socket,
    new ProxyError(tooLarge ? 'headers-too-large' : 'invalid-request', { cause: error }),
    (name) => headerIn(error.rawPacket, name),
  )
}

/** A header in bytes that are no request, if there is exactly one line of it. */
function headerIn(bytes: unknown, name: string): string | undefined {
  if (!Buffer.isBuffer(bytes)) return undefined
  const lines = bytes.toString('latin1').match(new RegExp(`^${name}:.*$`, 'gim')) ?? []
  return lines.length === 1 ? lines[0]?.slice(name.length + 1).trim() : undefined
}

/** Writes a whole answer to a socket that no response object belongs to, and ends it. */
export function endWithProblem(
  app: FastifyInstance,
  socket: Socket,
  problem: ProxyError,
  headerOf: (name: string) => string | undefined,
): void {
  // Node has taken its own listener off by now, and a reset would be an uncaught error.
  socket.on('error', () => {})
  // What cannot be read may follow on a request that still waits for its answer, which comes first.
  const { _httpMessage: underWay } = socket as Socket & { _httpMessage?: ServerResponse | null }
  if (underWay?.req.complete) {
    underWay.once('finish', () => setImmediate(endWithProblem, app, socket, problem, headerOf))
    return
  }
  if (!socket.writable || underWay?.headersSent) {
    socket.destroy()
    return
  }
  const requestId = requestIdFrom(headerOf('x-request-id'))
  app.metrics.problems.inc({ code: problem.code })
  app.log.info(
    { requestId, status: problem.status, code: problem.code, reason: codeOf(problem.cause) },
    'request',
  )
  const body = JSON.stringify(problem.toProblem(requestId))
  const headers = {
    ...COMMON_HEADERS,
    ...app.corsHeadersFor(headerOf('origin')),
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    date: new Date().toUTCString(),
    connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  // Half-closing first gives the caller a chance to read the answer although it may still be sending.
  socket.end(
    `HTTP/1.1 ${problem.status} ${nodeHttp.STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`,
    () => {
      socket.destroySoon()
    },
  )
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: Error): FastifyReply {
  const problem = toProxyError(error)
  const body = problem.toProblem(request.id)
  if (problem.code === 'internal-error') request.log.error({ err: problem.cause }, 'internal error')
  reply.problemCode = problem.code
  if (body.retryAfterSeconds !== undefined) reply.header('retry-after', body.retryAfterSeconds)
  // A Buffer, since Fastify adds a charset to the type of a text.
  return reply
    .code(problem.status)
    .headers({ ...COMMON_HEADERS, 'cache-control': 'no-store', 'content-type': PROBLEM_TYPE })
    .send(Buffer.from(JSON.stringify(body)))
}

/** What an error is in terms of the table: our own as it is, Fastify's by its kind, anything else is a bug. */
function toProxyError(thrown: unknown): ProxyError {
  // Anything can be thrown, undefined included.
  const error: Partial<FastifyError> =
    thrown instanceof Error ? thrown : new Error('thrown, but no error')
  if (error instanceof ProxyError) return error
  if (error.code === 'FST_ERR_MAX_PARAM_LENGTH')
    return new ProxyError('uri-too-long', { cause: error })
  const { statusCode = 500 } = error
  if (statusCode === 404 || statusCode === 403) return new ProxyError('not-found', { cause: error })
  return new ProxyError(
    statusCode >= 400 && statusCode < 500 ? 'invalid-request' : 'internal-error',
    { cause: error },
  )
}
