import fp from 'fastify-plugin'
import type { Clock } from '../src/async/clock.ts'
import { type SharedLimits, UNSHARED_LIMITS } from '../src/cdf/shared-limits.ts'
import { type SharedJobs, UNSHARED_JOBS } from '../src/jobs/shared-jobs.ts'
import type { RedisFleetOptions } from './redis-fleet.ts'

/** Options of {@link fleetPlugin}. */
export interface FleetOptions extends Pick<Clock, 'now' | 'schedule'> {
  /** `undefined` = nothing is shared. */
  redis: RedisFleetOptions['redis'] | undefined
  cdf: { baseUrl: string; project: string }
  identityProvider: { clientId: string }
  upstream: {
    /** Greatest number of requests to CDF in flight, all replicas together. */
    maxConcurrency: number
  }
}

/** What the replicas share. */
export interface Fleet {
  readonly jobs: SharedJobs
  readonly limits: SharedLimits
}

/** Decorates `app.fleet`: what the replicas share through Redis, or nothing. */
export const fleetPlugin = fp(
  async function fleet(app, { redis, ...options }: FleetOptions) {
    if (!redis) {
      app.decorate('fleet', { jobs: UNSHARED_JOBS, limits: UNSHARED_LIMITS })
      return
    }
    // Without REDIS_URL, nothing of this is loaded.
    const { connectFleet } = await import('./redis-fleet.ts')
    app.decorate('fleet', connectFleet(app, { redis, ...options }))
  },
  { name: 'fleet', dependencies: ['metrics'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    fleet: Fleet
  }
}
