import type { FastifyPluginAsync } from 'fastify'
import type { JobId } from '../../src/cdf/job-id.ts'
import { togetherFromCache, toJobList } from '../../src/jobs/job-list.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import { callerSignal, originOf } from '../call-origin.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { jobQualityListRouteSchema } from './quality-schema.ts'
import { sendJobAnswer } from './send-job-answer.ts'

/** `GET /jobs/quality?jobId=A&jobId=B…`: what becomes of one job is no matter to the others. */
export const jobQualityListRoutes: FastifyPluginAsync = async (app) => {
  app.get<{ Querystring: { jobId: JobId[] } }>(
    '/quality',
    { schema: jobQualityListRouteSchema, validatorCompiler: jobIdValidator },
    (request, reply) => {
      const jobIds = request.query.jobId
      let signal: AbortSignal | undefined
      const context = () => {
        signal ??= callerSignal(reply)
        return { ...originOf(request), signal }
      }
      const reads = jobIds.map((jobId) => app.jobQuality.read(jobId, context))
      // As with a single job: what the cache has is sent without a promise.
      if (reads.every(isKnown)) {
        const answer = toJobList(jobIds, reads, request.id)
        sendJobAnswer(request, reply, togetherFromCache(reads), answer)
        return
      }
      return Promise.all(reads).then((all) =>
        sendJobAnswer(request, reply, togetherFromCache(all), toJobList(jobIds, all, request.id)),
      )
    },
  )
}

function isKnown(read: JobRead | Promise<JobRead>): read is JobRead {
  return !(read instanceof Promise)
}
