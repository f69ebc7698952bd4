import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { requestIdFrom } from '../src/http/request-id.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { errorCode } from '../src/telemetry/error-serializer.ts'
import { recordOnClose } from './access-log.ts'
import { COMMON_HEADERS } from './response-headers.ts'

interface ProblemsOptions {
  /** Where callers reach the service, without a slash at the end; absent = unknown. */
  publicUrl: string | undefined
}

/** RFC 9457. The media type has no `charset` parameter. */
const PROBLEM_TYPE = 'application/problem+json'

/**
 * Answers every failure with a problem: errors of handlers and of Fastify.
 * {@link answerFrameworkError} and {@link answerParserError} do the same for requests that never reach a hook.
 */
export const problemsPlugin = fp(
  async function problems(app, { publicUrl = '' }: ProblemsOptions) {
    app.decorate('publicUrl', publicUrl)
    app.setErrorHandler(async (error: FastifyError, request, reply) => {
      // The caller has disconnected, which made the handler fail.
      if (reply.raw.destroyed) return reply.hijack()
      return sendProblem(request, reply, error)
    })
  },
  { name: 'problems', dependencies: ['response-headers', 'access-log', 'open-replies'] },
)

/** For Fastify's `frameworkErrors`: an invalid percent-encoding or an over-long parameter. No hook has run. */
export function answerFrameworkError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  recordOnClose(reply)
  reply.header('x-request-id', request.id)
  reply.headers(request.server.corsHeadersFor(request.headers.origin))
  if (request.server.lifeCycle.draining) reply.header('connection', 'close')
  sendProblem(request, reply, error)
}

/** An error of Node's HTTP parser. */
interface ParserError extends Error {
  code?: string
  /** A Buffer with the bytes that could not be parsed. */
  rawPacket?: unknown
}

/** For Fastify's `clientErrorHandler`: there is no request. The connection is closed, because its framing is lost. */
export function answerParserError(this: unknown, error: ParserError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // A connection that was opened in advance and never used.
  if (socket.bytesRead === 0) {
    socket.destroy()
    return
  }
  const tooLarge =
    error.code === 'HPE_HEADER_OVERFLOW' || error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
  const code = tooLarge ? 'headers-too-large' : 'invalid-request'
  // Fastify binds the app.
  endWithProblem(
    this as FastifyInstance,
    socket,
    new ProblemError(code, { cause: error }),
    (name) => findHeader(error.rawPacket, name),
  )
}

/** The value of a header in unparsed bytes, if it occurs once. */
function findHeader(bytes: unknown, name: string): string | undefined {
  if (!Buffer.isBuffer(bytes)) return undefined
  const lines = bytes.toString('latin1').match(new RegExp(`^${name}:.*$`, 'gim')) ?? []
  return lines.length === 1 ? lines[0]?.slice(name.length + 1).trim() : undefined
}

/** Writes a problem to a socket that has no response object, and closes the connection. */
export function endWithProblem(
  app: FastifyInstance,
  socket: Socket,
  problem: ProblemError,
  headerOf: (name: string) => string | undefined,
): void {
  // Node has removed its own listener; without one, a reset would be an uncaught error.
  socket.on('error', () => {})
  const openResponse = app.openReplies.oldest(socket)?.raw
  if (openResponse?.req.complete) {
    // Pipelining: the responses to earlier requests come first.
    openResponse.once('close', () => endWithProblem(app, socket, problem, headerOf))
    return
  }
  if (!socket.writable || openResponse?.headersSent) {
    socket.destroy()
    return
  }
  const requestId = requestIdFrom(headerOf('x-request-id'))
  const { status, code } = problem
  app.metrics.problems.inc({ code })
  app.log.info({ requestId, status, code, reason: errorCode(problem.cause) }, 'request')
  const body = JSON.stringify(problem.toProblem(requestId, app.publicUrl))
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
  // The half-close lets a caller that is still sending read the response.
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`, () =>
    socket.destroySoon(),
  )
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const problem = toProblemError(error)
  const body = problem.toProblem(request.id, request.server.publicUrl)
  if (problem.code === 'internal-error')
    request.log.error({ requestId: request.id, err: problem.cause }, 'internal error')
  reply.problemCode = problem.code
  if (body.retryAfterSeconds !== undefined) reply.header('retry-after', body.retryAfterSeconds)
  // Fastify adds a charset to the content type of a string, but not of a Buffer.
  return reply
    .code(problem.status)
    .headers({ ...COMMON_HEADERS, 'cache-control': 'no-store', 'content-type': PROBLEM_TYPE })
    .send(Buffer.from(JSON.stringify(body)))
}

/** A ProblemError as it is, an error of Fastify by its status. Anything else is a bug. */
function toProblemError(thrown: unknown): ProblemError {
  const error: Partial<FastifyError> =
    thrown instanceof Error ? thrown : new Error('a value that is not an Error was thrown')
  if (error instanceof ProblemError) return error
  if (error.code === 'FST_ERR_MAX_PARAM_LENGTH')
    return new ProblemError('uri-too-long', { cause: error })
  const { statusCode = 500 } = error
  if (statusCode === 404 || statusCode === 403)
    return new ProblemError('not-found', { cause: error })
  const isCallersFault = statusCode >= 400 && statusCode < 500
  return new ProblemError(isCallersFault ? 'invalid-request' : 'internal-error', { cause: error })
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where callers reach the service, without a slash at the end; empty if that is unknown. */
    publicUrl: string
  }
}
