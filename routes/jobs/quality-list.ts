import type { FastifyPluginAsync } from 'fastify'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { combineReads, INVALID_JOB_ID, toJobListResponse } from '../../src/jobs/job-list.ts'
import type { ReadResult } from '../../src/jobs/read-result.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { RequestReadContext } from './read-context.ts'
import { sendCachedResponse } from './send-cached-response.ts'

/** `GET /jobs/quality?jobId=A&jobId=B…`. A problem of one job does not affect the others. */
export const jobQualityListRoutes: FastifyPluginAsync = async (app) => {
  app.get<{ Querystring: { jobId: string[] } }>(
    '/quality',
    { schema: { querystring: {} }, validatorCompiler: jobIdValidator },
    (request, reply) => {
      const listedIds = request.query.jobId
      const context = new RequestReadContext(request, reply)
      const send = (results: ReadResult[]) =>
        sendCachedResponse(
          request,
          reply,
          combineReads(results),
          toJobListResponse(listedIds, results, context),
        )
      const reads = listedIds.map((listedId) => {
        const jobId = parseJobId(listedId)
        return jobId === undefined ? INVALID_JOB_ID : app.jobReader.read(jobId, context)
      })
      // If all are hits, the response is sent synchronously.
      if (reads.some((read) => read instanceof Promise)) return Promise.all(reads).then(send)
      send(reads as ReadResult[])
    },
  )
}
