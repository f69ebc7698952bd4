import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { After } from '../../src/after.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import { fromCache, isFinal } from '../../src/jobs/job-read.ts'
import { waitForChange, within } from '../../src/jobs/wait-for-change.ts'
import { callerSignal, originOf } from '../call-origin.ts'
import { matchesIfNoneMatch } from '../if-none-match.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { preferredWaitSeconds } from './preferred-wait.ts'
import { jobQualityRouteSchema } from './quality-schema.ts'
import { sendJobAnswer, tellCacheStatus } from './send-job-answer.ts'

/** Options of {@link jobQualityRoutes}. */
export interface JobQualityRoutesOptions {
  after: After
  /** Monotonic clock, milliseconds. */
  now: () => number
}

/** `GET /jobs/{jobId}/quality`. */
export const jobQualityRoutes: FastifyPluginAsync<JobQualityRoutesOptions> = async (
  app,
  { after, now },
) => {
  /** The answer as soon as it differs from what the caller has, or as soon as the job is done. */
  async function readWaiting(
    request: FastifyRequest,
    reply: FastifyReply,
    jobId: JobId,
    waitSeconds: number,
  ) {
    const ifNoneMatch = request.headers['if-none-match']
    const isNews = ({ answer }: JobRead) =>
      answer !== undefined &&
      ifNoneMatch !== undefined &&
      !matchesIfNoneMatch(ifNoneMatch, answer.etag)
    const endMs = now() + 1000 * waitSeconds
    const signal = callerSignal(reply)
    const origin = originOf(request)
    const known = app.jobQuality.latest(jobId)
    const reading = app.jobQuality.read(jobId, () => ({ ...origin, signal }))
    const first =
      known && reading instanceof Promise
        ? await within(reading, 1000 * waitSeconds, after, known)
        : await reading
    if (first.problem || isFinal(first) || isNews(first) || app.lifeCycle.draining) return first
    const waitMs = Math.max(0, endMs - now())
    const { jobWatches: watches } = app
    const wait = { watches, after, waitMs, isNews, signal, origin }
    return fromCache(await waitForChange(jobId, first, wait), now())
  }

  app.get<{ Params: { jobId: JobId } }>(
    '/:jobId/quality',
    { schema: jobQualityRouteSchema, validatorCompiler: jobIdValidator },
    (request, reply) => {
      const jobId = request.params.jobId
      const waitSeconds = preferredWaitSeconds(request.headers.prefer)
      if (waitSeconds !== undefined) reply.header('preference-applied', `wait=${waitSeconds}`)
      const read =
        waitSeconds === undefined
          ? app.jobQuality.read(jobId, () => ({
              ...originOf(request),
              signal: callerSignal(reply),
            }))
          : readWaiting(request, reply, jobId, waitSeconds)
      // What the cache has is sent without a promise.
      if (read instanceof Promise || !read.answer) return sendRead(request, reply, read)
      sendJobAnswer(request, reply, read, read.answer)
    },
  )
}

async function sendRead(
  request: FastifyRequest,
  reply: FastifyReply,
  reading: JobRead | Promise<JobRead>,
) {
  const read = await reading
  if (read.answer) return sendJobAnswer(request, reply, read, read.answer)
  tellCacheStatus(reply, read)
  throw read.problem
}
