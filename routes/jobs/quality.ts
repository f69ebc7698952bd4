import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobRead } from '../../src/jobs/job-quality-reader.ts'
import { continueTrace } from '../../src/trace-context.ts'
import { matchesIfNoneMatch } from '../if-none-match.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { jobQualityRouteSchema } from './quality-schema.ts'

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

/** `GET /jobs/{jobId}/quality`. */
export const jobQualityRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/:jobId/quality',
    { schema: jobQualityRouteSchema, validatorCompiler: jobIdValidator },
    async (request, reply) => {
      const read = await app.jobQuality.read(request.params.jobId as JobId, () => ({
        signal: request.signal,
        requestId: request.id,
        traceparent: continueTrace(request.headers.traceparent),
      }))
      reply.header(
        'cache-status',
        CACHE_STATUS[read.outcome] + (read.collapsed ? '; collapsed' : ''),
      )
      if (read.ageSeconds !== undefined) reply.header('age', read.ageSeconds)
      if (read.problem) throw read.problem

      const { body, etag, done } = read.answer
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
    },
  )
}

/** CORS, where it is on, has said Origin already. */
function varyOf(reply: FastifyReply): string {
  const vary = reply.getHeader('vary')
  return vary === undefined ? 'Authorization' : `Authorization, ${vary}`
}
