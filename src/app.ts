import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import { accessLogPlugin } from '../plugins/access-log.ts'
import { jobQualityPlugin } from '../plugins/job-quality.ts'
import { lifeCyclePlugin } from '../plugins/life-cycle.ts'
import { methodNotAllowedPlugin } from '../plugins/method-not-allowed.ts'
import { openApiPlugin } from '../plugins/openapi.ts'
import { problemsPlugin } from '../plugins/problems.ts'
import { requestFramingPlugin } from '../plugins/request-framing.ts'
import { responseHeadersPlugin } from '../plugins/response-headers.ts'
import { docsRoutes } from '../routes/docs.ts'
import { healthRoutes } from '../routes/health.ts'
import { jobQualityRoutes } from '../routes/jobs/quality.ts'
import { problemRoutes } from '../routes/problems.ts'
import type { Config } from './config.ts'
import type { LogDestination } from './server-options.ts'
import { serverOptions } from './server-options.ts'

/** What a test may put in place of the real thing. */
export interface Seams {
  /** Monotonic clock, milliseconds. */
  now?: () => number
  /** 0 ≤ random() < 1. */
  random?: () => number
  /** Where log lines go; the standard output if absent. */
  logDestination?: LogDestination
}

/** The whole service, ready to listen. */
export async function buildApp(config: Config, seams: Seams = {}): Promise<FastifyInstance> {
  const { now = () => performance.now(), random = Math.random, logDestination } = seams
  const { cdf, identityProvider, jobs, upstream } = config
  const serviceVersion = packageJson.version
  const app = Fastify(serverOptions(config.logLevel, logDestination))

  await app.register(responseHeadersPlugin)
  await app.register(accessLogPlugin)
  await app.register(problemsPlugin)
  await app.register(requestFramingPlugin)
  await app.register(methodNotAllowedPlugin)
  await app.register(lifeCyclePlugin)
  await app.register(openApiPlugin, { serviceVersion })
  await app.register(jobQualityPlugin, {
    cdf,
    identityProvider,
    jobs,
    upstream,
    serviceVersion,
    now,
    random,
  })

  await app.register(jobQualityRoutes, { prefix: '/jobs' })
  await app.register(healthRoutes, { prefix: '/health' })
  await app.register(problemRoutes, { prefix: '/problems' })
  await app.register(docsRoutes, { swaggerUi: config.docs.enabled })

  return app
}
