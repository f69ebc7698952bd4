import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { JobId } from '../../src/cdf/job-id.ts'
import { togetherFromCache, toJobList } from '../../src/jobs/job-list.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import { callerSignal, originOf } from '../call-origin.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { jobQualityListRouteSchema } from './quality-schema.ts'
import { sendJobAnswer } from './send-job-answer.ts'

/** `GET /jobs/quality?jobId=A&jobId=B…`: what becomes of one job is no matter to the others. */
export const jobQualityListRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/quality',
    { schema: jobQualityListRouteSchema, validatorCompiler: jobIdValidator },
    (request, reply) => {
      const jobIds = request.query.jobId as JobId[]
      let signal: AbortSignal | undefined
      const context = () => {
        signal ??= callerSignal(reply)
        return { ...originOf(request), signal }
      }
      const reads = jobIds.map((jobId) => app.jobQuality.read(jobId, context))
      const send = (reads: JobRead[]) =>
        sendJobAnswer(
          request,
          reply,
          togetherFromCache(reads),
          toJobList(jobIds, reads, request.id),
        )
      return Promise.all(reads).then(send)
    },
  )
}
