import type { FastifyReply, FastifyRequest } from 'fastify'
import type { JobAnswer } from '../../src/jobs/job-answer.ts'
import type { JobRead, JobReadSummary } from '../../src/jobs/job-read.ts'
import { matchesIfNoneMatch } from '../if-none-match.ts'

/** RFC 9211, by how the cache took part. */
const CACHE_STATUS = {
  hit: 'cdf-job-quality; hit',
  miss: 'cdf-job-quality; fwd=miss',
  stale: 'cdf-job-quality; fwd=stale',
  'stale-if-error': 'cdf-job-quality; fwd=stale; detail=stale-if-error',
} as const satisfies Record<JobRead['outcome'], string>

/** A browser may keep the answer, but each use passes here again: the 304 costs no upstream call. */
const DONE_HEADERS = Object.freeze({ 'cache-control': 'private, no-cache' })
/** The polling hint, in seconds, for whoever polls. */
const PENDING_HEADERS = Object.freeze({ ...DONE_HEADERS, 'retry-after': '2' })

/** `Cache-Status` and, for what came from the cache, `Age`. */
export function tellCacheStatus(reply: FastifyReply, read: JobReadSummary): void {
  const { outcome, collapsed, ageSeconds } = read
  reply.jobRead = read
  reply.header('cache-status', CACHE_STATUS[outcome] + (collapsed ? '; collapsed' : ''))
  if (ageSeconds !== undefined) reply.header('age', ageSeconds)
}

/** Sends the bytes of an answer, or 304 to whoever has them. */
export function sendJobAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  { body, etag, done }: Pick<JobAnswer, 'body' | 'etag' | 'done'>,
): FastifyReply {
  reply
    .headers(done ? DONE_HEADERS : PENDING_HEADERS)
    .header('etag', etag)
    .header('vary', varyOf(reply))
  if (matchesIfNoneMatch(request.headers['if-none-match'], etag)) {
    reply.code(304)
    // To a HEAD, Fastify tells the length of what it gets; that of nothing would be wrong (RFC 9110 §8.6).
    if (request.method !== 'HEAD') return reply.send()
  }
  return reply.header('content-type', 'application/json; charset=utf-8').send(body)
}

/** `Vary`: CORS, where it is on, has said Origin already. */
export function varyOf(reply: FastifyReply): string {
  const vary = reply.getHeader('vary')
  return vary === undefined ? 'Authorization' : `Authorization, ${vary}`
}
