import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../src/async/clock.ts'
import { withTimeout } from '../../src/async/with-timeout.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { matchesIfNoneMatch } from '../../src/http/entity-tag.ts'
import { preferredWaitSeconds } from '../../src/http/preferred-wait.ts'
import { isFinal, type ReadResult, withCurrentAge } from '../../src/jobs/read-result.ts'
import { waitForChange } from '../../src/jobs/wait-for-change.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { RequestReadContext } from './read-context.ts'
import { sendCachedResponse, setCacheStatus } from './send-cached-response.ts'

/** `GET /jobs/{jobId}/quality`. */
export const jobQualityRoutes: FastifyPluginAsync<Pick<Clock, 'now' | 'schedule'>> = async (
  app,
  { schedule, now },
) => {
  /** Reads a job, and waits until it differs from `If-None-Match` or, without that header, until it is done. */
  async function readAndWait(
    request: FastifyRequest,
    context: RequestReadContext,
    jobId: JobId,
    waitMs: number,
  ): Promise<ReadResult> {
    const ifNoneMatch = request.headers['if-none-match']
    const hasChanged = ({ response }: ReadResult) =>
      response !== undefined &&
      ifNoneMatch !== undefined &&
      !matchesIfNoneMatch(ifNoneMatch, response.etag)
    const endMs = now() + waitMs
    const latest = app.jobReader.latest(jobId)
    const reading = app.jobReader.read(jobId, context)
    const current =
      latest && reading instanceof Promise
        ? await withTimeout(reading, waitMs, schedule, latest)
        : await reading
    const isOver = current.problem || isFinal(current) || hasChanged(current)
    if (isOver || app.lifeCycle.draining) return current
    const callerKey = request.caller ? context.callerKey : undefined
    const release = app.watchLimit.acquire(callerKey, { streams: 0, jobs: 1 })
    const result = await waitForChange(jobId, current, {
      poller: app.jobPoller,
      schedule,
      waitMs: Math.max(0, endMs - now()),
      hasChanged,
      context,
    }).finally(release)
    return withCurrentAge(result, now())
  }

  app.get<{ Params: { jobId: JobId } }>(
    '/:jobId/quality',
    { schema: { params: {} }, validatorCompiler: jobIdValidator },
    (request, reply) => {
      const { jobId } = request.params
      const context = new RequestReadContext(request, reply)
      const waitSeconds = preferredWaitSeconds(request.headers.prefer)
      if (waitSeconds !== undefined) reply.header('preference-applied', `wait=${waitSeconds}`)
      const read =
        waitSeconds === undefined
          ? app.jobReader.read(jobId, context)
          : readAndWait(request, context, jobId, 1000 * waitSeconds)
      // A hit is sent synchronously.
      if (read instanceof Promise || !read.response) return sendRead(request, reply, read)
      sendCachedResponse(request, reply, read, read.response)
    },
  )
}

async function sendRead(
  request: FastifyRequest,
  reply: FastifyReply,
  reading: ReadResult | Promise<ReadResult>,
) {
  const read = await reading
  if (read.response) return sendCachedResponse(request, reply, read, read.response)
  setCacheStatus(reply, read)
  throw read.problem
}
