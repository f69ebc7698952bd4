import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import { accessLogPlugin } from '../plugins/access-log.ts'
import { callerRateLimitPlugin } from '../plugins/caller-rate-limit.ts'
import { corsPlugin } from '../plugins/cors.ts'
import { doorPlugin } from '../plugins/door.ts'
import { jobQualityPlugin } from '../plugins/job-quality.ts'
import { jobWatchesPlugin } from '../plugins/job-watches.ts'
import { lateLogPlugin } from '../plugins/late-log.ts'
import { lifeCyclePlugin } from '../plugins/life-cycle.ts'
import type { LogDestination } from '../plugins/log-output.ts'
import { logOutput } from '../plugins/log-output.ts'
import { methodNotAllowedPlugin } from '../plugins/method-not-allowed.ts'
import { metricsPlugin } from '../plugins/metrics.ts'
import { openApiPlugin } from '../plugins/openapi.ts'
import { problemsPlugin } from '../plugins/problems.ts'
import { requestFramingPlugin } from '../plugins/request-framing.ts'
import { requestTracePlugin } from '../plugins/request-trace.ts'
import { requiredScopePlugin } from '../plugins/required-scope.ts'
import { responseHeadersPlugin } from '../plugins/response-headers.ts'
import { serverOptions } from '../plugins/server-options.ts'
import { docsRoutes } from '../routes/docs.ts'
import { healthRoutes } from '../routes/health.ts'
import { jobQualityRoutes } from '../routes/jobs/quality.ts'
import { jobQualityEventsRoutes } from '../routes/jobs/quality-events.ts'
import { jobQualityListRoutes } from '../routes/jobs/quality-list.ts'
import { problemRoutes } from '../routes/problems.ts'
import type { After } from './after.ts'
import { afterTimeout } from './after.ts'
import type { Config } from './config.ts'

/** What a test may put in place of the real thing. */
export interface Seams {
  /** Monotonic clock, milliseconds. */
  now?: () => number
  /** The wall clock, milliseconds since the epoch. */
  wallNow?: () => number
  /** Timers that go by `now`. */
  after?: After
  /** 0 ≤ random() < 1. */
  random?: () => number
  /** Where log lines go; the standard output if absent. */
  logDestination?: LogDestination
}

/** The whole service, ready to listen. */
export async function buildApp(config: Config, seams: Seams = {}): Promise<FastifyInstance> {
  const { now = () => performance.now(), wallNow = Date.now, after = afterTimeout } = seams
  const { random = Math.random } = seams
  const { cdf, identityProvider, jobs, upstream } = config
  const cdfOptions = { cdf, identityProvider, jobs, upstream }
  const serviceVersion = packageJson.version
  const log = logOutput(seams.logDestination)
  const app = Fastify(serverOptions(config.server, log.others))

  await app.register(lateLogPlugin)
  await app.register(lifeCyclePlugin)
  await app.register(metricsPlugin, { ...config.metrics, serviceVersion })
  await app.register(requestTracePlugin)
  await app.register(responseHeadersPlugin)
  await app.register(accessLogPlugin, { log })
  await app.register(problemsPlugin)
  await app.register(requestFramingPlugin)
  await app.register(corsPlugin, config.cors)
  await app.register(methodNotAllowedPlugin)
  await app.register(openApiPlugin, { serviceVersion })
  await app.register(jobQualityPlugin, { ...cdfOptions, serviceVersion, now, random })
  await app.register(jobWatchesPlugin, { now, after, random })

  await app.register(
    async function behindTheDoor(scope) {
      await scope.register(doorPlugin, { ...config.door, now, wallNow })
      await scope.register(callerRateLimitPlugin, { ...config.rateLimit, now })
      await scope.register(requiredScopePlugin, config.door)
      await scope.register(methodNotAllowedPlugin)
      await scope.register(jobQualityRoutes, { after, now })
      await scope.register(jobQualityListRoutes)
      await scope.register(jobQualityEventsRoutes, { ...config.streams, after, wallNow })
    },
    { prefix: '/jobs' },
  )
  await app.register(healthRoutes, { prefix: '/health' })
  await app.register(problemRoutes, { prefix: '/problems' })
  await app.register(docsRoutes, config.docs)

  return app
}
