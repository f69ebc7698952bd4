import fp from 'fastify-plugin'
import type { After } from '../src/after.ts'
import { JobWatches } from '../src/jobs/job-watches.ts'
import { requestIdFrom } from '../src/request-id.ts'
import { continueTrace } from '../src/trace-context.ts'

/** Options of {@link jobWatchesPlugin}. */
export interface JobWatchesPluginOptions {
  /** Monotonic clock, milliseconds. */
  now: () => number
  after: After
  /** 0 ≤ random() < 1. */
  random: () => number
}

/** `app.jobWatches`: one loop for each job that somebody waits for; all of them end when the process drains. */
export const jobWatchesPlugin = fp(
  async function jobWatches(app, { now, after, random }: JobWatchesPluginOptions) {
    const watches = new JobWatches({
      reader: app.jobQuality,
      newOrigin: () => ({
        requestId: requestIdFrom(undefined),
        traceparent: continueTrace(undefined),
      }),
      now,
      after,
      random,
    })
    app.decorate('jobWatches', watches)
    app.metrics.onScrape(() => {
      app.metrics.watchedJobs.set(watches.sizes.jobs)
      app.metrics.watchers.set(watches.sizes.watchers)
    })
    app.lifeCycle.onDrain(() => watches.end())
  },
  { name: 'job-watches', dependencies: ['life-cycle', 'metrics', 'job-quality'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    jobWatches: JobWatches
  }
}
