import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CorsHeaders } from '../../plugins/cors.ts'
import { COMMON_HEADERS } from '../../plugins/response-headers.ts'
import { matchesIfNoneMatch } from '../../src/http/entity-tag.ts'
import type { CachedResponse } from '../../src/jobs/cached-response.ts'
import type { ReadResult, ReadSummary } from '../../src/jobs/read-result.ts'
import { getSpanRecorder } from '../../src/telemetry/trace-context.ts'

/** The part of a response that is sent. */
export type SentResponse = Pick<CachedResponse, 'body' | 'byteLength' | 'etag' | 'done'>

/** RFC 9211, by outcome. */
const CACHE_STATUS = {
  hit: 'cdf-job-quality; hit',
  miss: 'cdf-job-quality; fwd=miss',
  stale: 'cdf-job-quality; fwd=stale',
  'stale-if-error': 'cdf-job-quality; fwd=stale; detail=stale-if-error',
} as const satisfies Record<ReadResult['outcome'], string>

/** Browsers store the response and revalidate it with each use; a 304 costs no read of CDF. */
const DONE_HEADERS = Object.freeze({ 'cache-control': 'private, no-cache', vary: 'Authorization' })
/** Tells polling callers to wait 2 s. */
const PENDING_HEADERS = Object.freeze({ ...DONE_HEADERS, 'retry-after': '2' })
const CONTENT_TYPE = 'application/json; charset=utf-8'

/** Sets `reply.readSummary`, `Cache-Status` and, for a cached response, `Age`. */
export function setCacheStatus(reply: FastifyReply, read: ReadSummary): void {
  reply.readSummary = read
  reply.header('cache-status', cacheStatus(read))
  if (read.ageSeconds !== undefined) reply.header('age', read.ageSeconds)
}

function cacheStatus({ outcome, collapsed }: ReadSummary): string {
  return collapsed ? `${CACHE_STATUS[outcome]}; collapsed` : CACHE_STATUS[outcome]
}

/** The headers that do not depend on the request, by whether the job is done. Names and values alternate. */
interface StaticHeaders {
  readonly done: readonly string[]
  readonly pending: readonly string[]
}

const staticHeaders = new WeakMap<CorsHeaders, StaticHeaders>()

/** Built once for each of the few sets of CORS headers. */
function staticHeadersFor(cors: CorsHeaders): StaticHeaders {
  let headers = staticHeaders.get(cors)
  if (!headers) {
    const vary = [DONE_HEADERS.vary, cors.vary].filter(Boolean).join(', ')
    const flat = (own: Readonly<Record<string, string>>) =>
      Object.entries({ ...COMMON_HEADERS, ...own, ...cors, vary }).flat()
    headers = { done: flat(DONE_HEADERS), pending: flat(PENDING_HEADERS) }
    staticHeaders.set(cors, headers)
  }
  return headers
}

/**
 * Sends the response for jobs, or 304 if the caller has it. Writes head and body to Node's response directly, past the
 * `onSend` hooks: a cached response takes 9–15 % less CPU time than with `reply.send`. A test compares the headers of
 * both ways.
 * @returns the reply if it was sent with `reply.send`, for an async handler to return
 */
export function sendCachedResponse(
  request: FastifyRequest,
  reply: FastifyReply,
  read: ReadSummary,
  { done, etag, body, byteLength }: SentResponse,
): FastifyReply | undefined {
  const { server, headers, id } = request
  // These need hooks or Fastify's own handling: HEAD, spans, `Connection: close`, `Preference-Applied`.
  if (
    request.method !== 'GET' ||
    getSpanRecorder() ||
    server.lifeCycle.draining ||
    reply.hasHeader('preference-applied')
  ) {
    return sendThroughHooks(request, reply, read, { done, etag, body, byteLength })
  }
  reply.readSummary = read
  const shared = staticHeadersFor(server.corsHeadersFor(headers.origin))
  const head = [
    ...(done ? shared.done : shared.pending),
    'x-request-id',
    id,
    'etag',
    etag,
    'cache-status',
    cacheStatus(read),
  ]
  if (read.ageSeconds !== undefined) head.push('age', String(read.ageSeconds))
  const { raw: response, rateLimit } = reply
  if (rateLimit) head.push('ratelimit-policy', rateLimit.policy, 'ratelimit', rateLimit.current)
  if (matchesIfNoneMatch(headers['if-none-match'], etag)) {
    response.writeHead(304, head).end()
  } else {
    head.push('content-type', CONTENT_TYPE, 'content-length', String(byteLength))
    response.writeHead(200, head).end(body)
  }
}

function sendThroughHooks(
  request: FastifyRequest,
  reply: FastifyReply,
  read: ReadSummary,
  { done, etag, body }: SentResponse,
): FastifyReply {
  setCacheStatus(reply, read)
  reply.headers(done ? DONE_HEADERS : PENDING_HEADERS).header('etag', etag)
  if (matchesIfNoneMatch(request.headers['if-none-match'], etag)) {
    reply.code(304)
    // For a HEAD, Fastify takes Content-Length from the payload; that of an empty one would be wrong (RFC 9110 §8.6).
    if (request.method !== 'HEAD') return reply.send()
  }
  return reply.header('content-type', CONTENT_TYPE).send(body)
}
