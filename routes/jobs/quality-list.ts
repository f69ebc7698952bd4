import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { JobId } from '../../src/cdf/job-id.ts'
import { togetherFromCache, toJobList } from '../../src/jobs/job-list.ts'
import { originOf } from '../call-origin.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { jobQualityListRouteSchema } from './quality-schema.ts'
import { sendJobAnswer, tellCacheStatus } from './send-job-answer.ts'

/** `GET /jobs/quality?jobId=A&jobId=B…`: what becomes of one job is no matter to the others. */
export const jobQualityListRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/quality',
    { schema: jobQualityListRouteSchema, validatorCompiler: jobIdValidator },
    async (request, reply) => {
      const jobIds = request.query.jobId as JobId[]
      const context = () => ({ ...originOf(request), signal: request.signal })
      const reads = await Promise.all(jobIds.map((jobId) => app.jobQuality.read(jobId, context)))
      tellCacheStatus(reply, togetherFromCache(reads))
      return sendJobAnswer(request, reply, toJobList(jobIds, reads, request.id))
    },
  )
}
