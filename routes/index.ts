import type { FastifyInstance } from 'fastify'
import type { Dispatcher } from 'undici'
import { bearerAuthPlugin } from '../plugins/bearer-auth.ts'
import { callerRateLimitPlugin } from '../plugins/caller-rate-limit.ts'
import { requiredScopePlugin } from '../plugins/required-scope.ts'
import type { Clock } from '../src/async/clock.ts'
import type { Config } from '../src/config/config.ts'
import { docsRoutes } from './docs/docs.ts'
import { healthRoutes } from './health.ts'
import { jobQualityRoutes } from './jobs/quality.ts'
import { jobQualityEventsRoutes } from './jobs/quality-events.ts'
import { jobQualityListRoutes } from './jobs/quality-list.ts'
import { problemRoutes } from './problems.ts'

interface RoutesOptions {
  config: Config
  /** Sends the requests to the issuer. */
  dispatcher: Dispatcher
  clock: Clock
}

/** Registers all routes. Those of jobs need a bearer token. Health routes have no limit. */
export async function registerRoutes(
  app: FastifyInstance,
  { config, dispatcher, clock }: RoutesOptions,
): Promise<void> {
  await app.register(
    async function authenticatedRoutes(scope) {
      await scope.register(bearerAuthPlugin, { ...config.auth, ...clock, dispatcher })
      await scope.register(callerRateLimitPlugin, { ...config.rateLimit, ...clock })
      await scope.register(requiredScopePlugin, config.auth)
      await scope.register(jobQualityRoutes, clock)
      await scope.register(jobQualityListRoutes)
      await scope.register(jobQualityEventsRoutes, clock)
    },
    { prefix: '/jobs' },
  )
  await app.register(healthRoutes, { prefix: '/health' })
  await app.register(async function publicRoutes(scope) {
    await scope.register(callerRateLimitPlugin, { ...config.rateLimit, ...clock })
    await scope.register(problemRoutes, { prefix: '/problems' })
    await scope.register(docsRoutes, { ...config.docs, ...clock, dispatcher })
  })
}
