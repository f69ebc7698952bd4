import fp from 'fastify-plugin'
import type { Clock } from '../src/async/clock.ts'
import type { CdfJob } from '../src/cdf/cdf-job.ts'
import { JobCache, type JobCacheSettings } from '../src/jobs/job-cache.ts'
import { JobQualityReader } from '../src/jobs/job-quality-reader.ts'
import { EventLoopLoad } from '../src/limits/event-loop-load.ts'
import { loggableText } from '../src/telemetry/loggable-text.ts'

interface JobReaderOptions extends Pick<Clock, 'now' | 'schedule'> {
  jobs: JobCacheSettings
  upstream: { deadlineMs: number }
}

/** Each distinct deviation is logged once, up to this number. */
const MAX_LOGGED_DEVIATIONS = 200

/** Decorates `app.jobReader`, which reads jobs through the cache. */
export const jobReaderPlugin = fp(
  async function jobReader(app, { jobs, upstream, now, schedule }: JobReaderOptions) {
    const { metrics } = app
    const cache = new JobCache({ ...jobs, now })
    const load = new EventLoopLoad()
    const logged = new Set<string>()
    const logDeviation = (field: string, job: CdfJob, requestId: string) => {
      metrics.deviations.inc({ field })
      const value = field === 'status' ? loggableText(job.status) : undefined
      const key = JSON.stringify([field, value])
      if (logged.has(key) || logged.size >= MAX_LOGGED_DEVIATIONS) return
      logged.add(key)
      app.log.warn({ requestId, field, value }, 'CDF deviates from its reference')
    }
    const reader = new JobQualityReader({
      ...jobs,
      cache,
      shared: app.fleet.jobs,
      fetchJob: (jobId, context) => app.cdf.getEstimateQualityJob(jobId, context),
      deadlineMs: upstream.deadlineMs,
      isOverloaded: () => load.isOverloaded,
      onDeviation: logDeviation,
      now,
      schedule,
    })
    app.decorate('jobReader', reader)

    metrics.onScrape(() => {
      metrics.cacheOutcomes.reset()
      for (const [outcome, count] of Object.entries(reader.counts)) {
        metrics.cacheOutcomes.inc({ outcome }, count)
      }
      for (const [kind, size] of Object.entries(cache.sizes)) {
        metrics.cacheEntries.set({ kind }, size)
      }
    })
    app.addHook('onClose', async () => load.stop())
  },
  { name: 'job-reader', dependencies: ['metrics', 'fleet', 'cdf'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    jobReader: JobQualityReader
  }
}
