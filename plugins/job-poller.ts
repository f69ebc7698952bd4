import fp from 'fastify-plugin'
import type { Clock } from '../src/async/clock.ts'
import { requestIdFrom } from '../src/http/request-id.ts'
import { JobPoller } from '../src/jobs/job-poller.ts'
import { WatchLimit } from '../src/limits/watch-limit.ts'
import { childTraceparent, traceFrom } from '../src/telemetry/trace-context.ts'

interface JobPollerPluginOptions extends Pick<Clock, 'now' | 'schedule' | 'random'> {
  /** Greatest number of background reads per second, all replicas together. */
  pollsPerSecond: number
  /** Open streams of one caller; 0 = no limit. */
  maxStreams: number
  /** Jobs in all streams and waits of one caller; 0 = no limit. */
  maxWatchedJobs: number
}

/** Decorates `app.jobPoller` and `app.watchLimit`. Subscriptions end when the process drains. */
export const jobPollerPlugin = fp(
  async function jobPoller(app, options: JobPollerPluginOptions) {
    const { pollsPerSecond, maxStreams, maxWatchedJobs, now, schedule, random } = options
    const poller = new JobPoller({
      reader: app.jobReader,
      newRequestIds: () => ({
        requestId: requestIdFrom(undefined),
        traceparent: childTraceparent(traceFrom(undefined)),
      }),
      pollsPerSecond: () => pollsPerSecond / app.fleet.limits.replicas,
      now,
      schedule,
      random,
    })
    const watchLimit = new WatchLimit({ maxStreams, maxWatchedJobs })
    app.decorate('jobPoller', poller)
    app.decorate('watchLimit', watchLimit)
    app.metrics.onScrape(() => {
      app.metrics.watchedJobs.set(poller.sizes.jobs)
      app.metrics.watchers.set(poller.sizes.watchers)
      app.metrics.streams.set(watchLimit.streams)
    })
    app.lifeCycle.onDrain(() => poller.drain())
  },
  { name: 'job-poller', dependencies: ['life-cycle', 'metrics', 'fleet', 'job-reader'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    jobPoller: JobPoller
    watchLimit: WatchLimit
  }
}
