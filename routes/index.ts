import type { FastifyInstance } from 'fastify'
import type { Dispatcher } from 'undici'
import { bearerAuthPlugin } from '../plugins/bearer-auth.ts'
import { callerRateLimitPlugin } from '../plugins/caller-rate-limit.ts'
import { requiredScopePlugin } from '../plugins/required-scope.ts'
import type { Scheduler } from '../src/async/scheduler.ts'
import type { Config } from '../src/config/config.ts'
import { docsRoutes } from './docs/docs.ts'
import { healthRoutes } from './health.ts'
import { jobQualityRoutes } from './jobs/quality.ts'
import { jobQualityEventsRoutes } from './jobs/quality-events.ts'
import { jobQualityListRoutes } from './jobs/quality-list.ts'
import { problemRoutes } from './problems.ts'

/** Dependencies of the routes. */
export interface RoutesOptions {
  config: Config
  /** Sends the requests to the issuer. */
  dispatcher: Dispatcher
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
  schedule: Scheduler
}

/** Registers all routes. Those of jobs need a bearer token. Health routes have no limit. */
export async function registerRoutes(app: FastifyInstance, options: RoutesOptions): Promise<void> {
  const { config, dispatcher, now, wallNow, schedule } = options
  await app.register(
    async function authenticatedRoutes(scope) {
      await scope.register(bearerAuthPlugin, { ...config.auth, dispatcher, now, wallNow, schedule })
      await scope.register(callerRateLimitPlugin, { ...config.rateLimit, now })
      await scope.register(requiredScopePlugin, config.auth)
      await scope.register(jobQualityRoutes, { schedule, now })
      await scope.register(jobQualityListRoutes)
      await scope.register(jobQualityEventsRoutes, { schedule, wallNow })
    },
    { prefix: '/jobs' },
  )
  await app.register(healthRoutes, { prefix: '/health' })
  await app.register(async function publicRoutes(scope) {
    await scope.register(callerRateLimitPlugin, { ...config.rateLimit, now })
    await scope.register(problemRoutes, { prefix: '/problems' })
    await scope.register(docsRoutes, { ...config.docs, dispatcher, now })
  })
}
