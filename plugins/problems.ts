import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify'
import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'
import { requestIdFrom } from '../src/request-id.ts'
import { logRequest } from './access-log.ts'
import { COMMON_HEADERS, setCommonHeaders } from './response-headers.ts'

/** What the log says in place of a status where nobody waited for one; nginx made it known. */
const CALLER_GONE = 499

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
      logRequest(request, reply, CALLER_GONE)
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
  setCommonHeaders(reply)
  sendProblem(request, reply, error)
  logRequest(request, reply, reply.statusCode)
}

/** What Node's HTTP parser reports when it cannot read a request. */
interface ParserError extends Error {
  code?: string
}

/** For `clientErrorHandler`: there is no request, only a socket. The connection ends, since its framing is lost. */
export function answerParserError(this: unknown, error: ParserError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const tooLarge =
    error.code === 'HPE_HEADER_OVERFLOW' || error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
  // Fastify calls it as a method of the app.
  const { log } = this as FastifyInstance
  endWithProblem(
    socket,
    new ProxyError(tooLarge ? 'headers-too-large' : 'invalid-request', { cause: error }),
    log,
  )
}

/** Writes a whole answer to a socket that no response object belongs to, and ends it. */
export function endWithProblem(socket: Socket, problem: ProxyError, log: FastifyBaseLogger): void {
  // A response under way on this connection cannot be followed by another one before it is complete.
  const { _httpMessage: underWay } = socket as Socket & { _httpMessage?: { headersSent: boolean } }
  if (!socket.writable || underWay?.headersSent) {
    socket.destroy()
    return
  }
  const requestId = requestIdFrom(undefined)
  log.info(
    { requestId, status: problem.status, code: problem.code, reason: codeOf(problem.cause) },
    'request',
  )
  const body = JSON.stringify(problem.toProblem(requestId))
  const headers = {
    ...COMMON_HEADERS,
    'x-request-id': requestId,
    'cache-control': 'no-store',
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    date: new Date().toUTCString(),
    connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  // Half-closing first lets the caller read the answer although it may still be sending.
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`,
    () => {
      socket.destroySoon()
    },
  )
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: Error): FastifyReply {
  const problem = toProxyError(error)
  const body = problem.toProblem(request.id)
  if (problem.code === 'internal-error') request.log.error({ err: problem.cause }, 'internal error')
  else if (problem.status >= 500)
    request.log.warn(
      { code: problem.code, err: problem.cause, upstream: problem.upstream },
      problem.message,
    )
  reply.problemCode = problem.code
  if (body.retryAfterSeconds !== undefined) reply.header('retry-after', body.retryAfterSeconds)
  // A Buffer, since Fastify adds a charset to the type of a text.
  return reply
    .code(problem.status)
    .headers({ ...COMMON_HEADERS, 'cache-control': 'no-store', 'content-type': PROBLEM_TYPE })
    .send(Buffer.from(JSON.stringify(body)))
}

/** What an error is in terms of the table: our own as it is, Fastify's by its kind, anything else is a bug. */
function toProxyError(error: Partial<FastifyError>): ProxyError {
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

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
