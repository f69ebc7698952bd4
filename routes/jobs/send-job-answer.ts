import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CorsHeaders } from '../../plugins/cors.ts'
import { COMMON_HEADERS } from '../../plugins/response-headers.ts'
import type { JobAnswer } from '../../src/jobs/job-answer.ts'
import type { JobRead, JobReadSummary } from '../../src/jobs/job-read.ts'
import { spanRecorder } from '../../src/trace-context.ts'
import { matchesIfNoneMatch } from '../if-none-match.ts'

/** What of an answer is sent. */
export type SentAnswer = Pick<JobAnswer, 'body' | 'byteLength' | 'etag' | 'done'>

/** RFC 9211, by how the cache took part. */
const CACHE_STATUS = {
  hit: 'cdf-job-quality; hit',
  miss: 'cdf-job-quality; fwd=miss',
  stale: 'cdf-job-quality; fwd=stale',
  'stale-if-error': 'cdf-job-quality; fwd=stale; detail=stale-if-error',
} as const satisfies Record<JobRead['outcome'], string>

/** A browser may keep the answer, but each use passes here again: the 304 costs no upstream call. */
const DONE_HEADERS = Object.freeze({ 'cache-control': 'private, no-cache', vary: 'Authorization' })
/** The polling hint, in seconds, for whoever polls. */
const PENDING_HEADERS = Object.freeze({ ...DONE_HEADERS, 'retry-after': '2' })
/** Of a body. */
const CONTENT_TYPE = 'application/json; charset=utf-8'

/** `Cache-Status` and, for what came from the cache, `Age`. */
export function tellCacheStatus(reply: FastifyReply, read: JobReadSummary): void {
  reply.jobRead = read
  reply.header('cache-status', cacheStatusOf(read))
  if (read.ageSeconds !== undefined) reply.header('age', read.ageSeconds)
}

function cacheStatusOf({ outcome, collapsed }: JobReadSummary): string {
  return collapsed ? `${CACHE_STATUS[outcome]}; collapsed` : CACHE_STATUS[outcome]
}

/** Of an answer, by whether the job is done: names and values in turn, as Node takes them without looking for doubles. */
interface Heads {
  readonly done: readonly string[]
  readonly pending: readonly string[]
}

const headsByCors = new WeakMap<CorsHeaders, Heads>()

/** What all answers have in common; made once for each of the few sets of CORS headers that there are. */
function headsWith(cors: CorsHeaders): Heads {
  let heads = headsByCors.get(cors)
  if (!heads) {
    const { vary } = DONE_HEADERS
    const both = { ...cors, vary: cors.vary === undefined ? vary : `${vary}, ${cors.vary}` }
    const headOf = (headers: Readonly<Record<string, string>>) =>
      Object.entries({ ...COMMON_HEADERS, ...headers, ...both }).flat()
    heads = { done: headOf(DONE_HEADERS), pending: headOf(PENDING_HEADERS) }
    headsByCors.set(cors, heads)
  }
  return heads
}

/**
 * Sends the bytes of an answer, or 304 to whoever has them, with what the cache had to do with it: past the hooks of `onSend`
 * and in one go, so that head and body leave in one piece, which halves what Fastify and Node have to do for it.
 * @returns the reply, for an asynchronous handler to return, where it takes Fastify's own way after all
 */
export function sendJobAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  read: JobReadSummary,
  answer: SentAnswer,
): FastifyReply | undefined {
  const { server, headers, id } = request
  // Spans are ended, and connections closed, by hooks; to a HEAD, Fastify knows what not to send; waits have a header more.
  if (
    request.method !== 'GET' ||
    spanRecorder() ||
    server.lifeCycle.draining ||
    reply.hasHeader('preference-applied')
  ) {
    return sendThroughHooks(request, reply, read, answer)
  }
  const { done, etag, body, byteLength } = answer
  reply.jobRead = read
  const heads = headsWith(server.corsHeadersFor(headers.origin))
  const head = [
    ...(done ? heads.done : heads.pending),
    'x-request-id',
    id,
    'etag',
    etag,
    'cache-status',
    cacheStatusOf(read),
  ]
  if (read.ageSeconds !== undefined) head.push('age', String(read.ageSeconds))
  const { raw: response } = reply
  if (matchesIfNoneMatch(headers['if-none-match'], etag)) {
    response.writeHead(304, head).end()
  } else {
    head.push('content-type', CONTENT_TYPE, 'content-length', String(byteLength))
    response.writeHead(200, head).end(body)
  }
}

/** The same with the same headers, as it is done everywhere else. */
function sendThroughHooks(
  request: FastifyRequest,
  reply: FastifyReply,
  read: JobReadSummary,
  { done, etag, body }: SentAnswer,
): FastifyReply {
  tellCacheStatus(reply, read)
  reply.headers(done ? DONE_HEADERS : PENDING_HEADERS).header('etag', etag)
  if (matchesIfNoneMatch(request.headers['if-none-match'], etag)) {
    reply.code(304)
    // To a HEAD, Fastify tells the length of what it gets; that of nothing would be wrong (RFC 9110 §8.6).
    if (request.method !== 'HEAD') return reply.send()
  }
  return reply.header('content-type', CONTENT_TYPE).send(body)
}
