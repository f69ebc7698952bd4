import { Readable } from 'node:stream'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { After } from '../../src/after.ts'
import { StreamLimit } from '../../src/callers/stream-limit.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { JobEventStream, knowsAll } from '../../src/jobs/job-event-stream.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import { within } from '../../src/jobs/wait-for-change.ts'
import { callerSignal, originOf } from '../call-origin.ts'
import { jobIdValidator } from './job-id-validator.ts'
import { jobEventsRouteSchema, jobListEventsRouteSchema } from './quality-schema.ts'

/** Options of {@link jobQualityEventsRoutes}. */
export interface JobQualityEventsOptions {
  /** How many streams one caller may hold; 0 = no limit. */
  maxStreamsPerCaller: number
  after: After
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
}

/** Whoever comes back is told to stop only if all jobs are known this soon; else a stream tells what there is. */
const LAST_EVENT_ID_LIMIT_MS = 1_000

const STREAM_HEADERS = Object.freeze({
  'content-type': 'text/event-stream',
  // For nginx, which would collect the events.
  'x-accel-buffering': 'no',
  // Whoever holds a stream open when the process ends would hold the connection open after it.
  connection: 'close',
})

/** `GET /jobs/{jobId}/quality/events` and `GET /jobs/quality/events?jobId=A&jobId=B…`. */
export const jobQualityEventsRoutes: FastifyPluginAsync<JobQualityEventsOptions> = async (
  app,
  { maxStreamsPerCaller, after, wallNow },
) => {
  const limit = new StreamLimit(maxStreamsPerCaller)
  app.metrics.onScrape(() => app.metrics.streams.set(limit.size))

  async function stream(request: FastifyRequest, reply: FastifyReply, jobIds: JobId[]) {
    reply.headers({ 'cache-control': 'private, no-cache', vary: 'Authorization' })
    const origin = originOf(request)
    const lastEventId = request.headers['last-event-id']
    const known = new Map<JobId, JobRead>()
    if (typeof lastEventId === 'string') {
      const signal = callerSignal(reply)
      const context = () => ({ ...origin, signal })
      const reads = jobIds.map(async (jobId) => {
        const read = await app.jobQuality.read(jobId, context)
        known.set(jobId, read)
        return read
      })
      const all = await within(Promise.all(reads), LAST_EVENT_ID_LIMIT_MS, after, [])
      if (all.length > 0 && knowsAll(lastEventId, all)) return reply.code(204).send()
    }
    // A body without an end has no length to tell.
    if (request.method === 'HEAD') return reply.headers(STREAM_HEADERS).send(Readable.from([]))

    const { caller } = request
    // Where callers are not checked, they cannot be told apart.
    const leave = limit.enter(caller ? caller.key || request.ip : undefined)
    const events = new JobEventStream({
      jobIds,
      watches: app.jobWatches,
      after,
      origin,
      known,
      endsInMs: caller ? caller.expiresAtMs - wallNow() : Number.POSITIVE_INFINITY,
    })
    events.once('close', leave)
    return reply.headers(STREAM_HEADERS).send(events)
  }

  app.get<{ Params: { jobId: JobId } }>(
    '/:jobId/quality/events',
    { schema: jobEventsRouteSchema, validatorCompiler: jobIdValidator },
    (request, reply) => stream(request, reply, [request.params.jobId]),
  )
  app.get<{ Querystring: { jobId: JobId[] } }>(
    '/quality/events',
    { schema: jobListEventsRouteSchema, validatorCompiler: jobIdValidator },
    (request, reply) => stream(request, reply, request.query.jobId),
  )
}
