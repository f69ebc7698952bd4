import { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../src/async/clock.ts'
import { withTimeout } from '../../src/async/with-timeout.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { hasSeenAll, JobEventStream } from '../../src/jobs/job-event-stream.ts'
import { INVALID_JOB_ID } from '../../src/jobs/job-list.ts'
import type { ReadResult } from '../../src/jobs/read-result.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { RequestReadContext } from './read-context.ts'

/** A reconnecting client gets a 204 only if all jobs are read within this time, else a stream. */
const RECONNECT_READ_MS = 1_000

const STREAM_HEADERS = Object.freeze({
  'content-type': 'text/event-stream; charset=utf-8',
  // A proxy that compresses events often holds them back, too (RFC 9111 §5.2.2.6).
  'cache-control': 'private, no-cache, no-transform',
  // nginx must not buffer events.
  'x-accel-buffering': 'no',
  // A stream that ends during shutdown must not leave a keep-alive connection behind.
  connection: 'close',
})

/** `GET /jobs/{jobId}/quality/events` and `GET /jobs/quality/events?jobId=A&jobId=B…`. */
export const jobQualityEventsRoutes: FastifyPluginAsync<
  Pick<Clock, 'schedule' | 'wallNow'>
> = async (app, { schedule, wallNow }) => {
  async function stream(request: FastifyRequest, reply: FastifyReply, jobIds: JobId[]) {
    reply.headers({ 'cache-control': 'private, no-cache', vary: 'Authorization' })
    const context = new RequestReadContext(request, reply)
    const lastEventId = request.headers['last-event-id']
    // An invalid job id needs no read.
    const results = new Map<JobId, ReadResult>(
      jobIds.filter((id) => parseJobId(id) === undefined).map((id) => [id, INVALID_JOB_ID]),
    )
    const watchedJobs = jobIds.length - results.size
    if (typeof lastEventId === 'string') {
      const reads = jobIds.map(async (jobId) => {
        const result = results.get(jobId) ?? (await app.jobReader.read(jobId, context))
        results.set(jobId, result)
        return result
      })
      const all = await withTimeout(Promise.all(reads), RECONNECT_READ_MS, schedule, [])
      if (all.length > 0 && hasSeenAll(lastEventId, jobIds, all)) return reply.code(204).send()
    }
    // Fastify would read the stream to find its length.
    if (request.method === 'HEAD') return reply.headers(STREAM_HEADERS).send(Readable.from([]))

    const { caller } = request
    // Without authentication, callers cannot be distinguished.
    const release = app.watchLimit.acquire(caller ? context.callerKey : undefined, {
      streams: 1,
      jobs: watchedJobs,
    })
    const events = new JobEventStream({
      jobIds,
      poller: app.jobPoller,
      schedule,
      context,
      firstResults: results,
      expiresInMs: caller ? caller.expiresAtMs - wallNow() : Number.POSITIVE_INFINITY,
    })
    const unsubscribe = app.onTokenInvalidated(request, () => events.finish())
    events.once('close', () => {
      release()
      unsubscribe()
    })
    return reply.headers(STREAM_HEADERS).send(events)
  }

  app.get<{ Params: { jobId: JobId } }>(
    '/:jobId/quality/events',
    { schema: { params: {} }, validatorCompiler: jobIdValidator },
    (request, reply) => stream(request, reply, [request.params.jobId]),
  )
  app.get<{ Querystring: { jobId: JobId[] } }>(
    '/quality/events',
    { schema: { querystring: {} }, validatorCompiler: jobIdValidator },
    (request, reply) => stream(request, reply, request.query.jobId),
  )
}
