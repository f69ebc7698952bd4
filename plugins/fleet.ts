import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { once } from '../src/async/once.ts'
import type { Scheduler } from '../src/async/scheduler.ts'
import type { JobId } from '../src/cdf/job-id.ts'
import type { SharedLimits } from '../src/cdf/shared-limits.ts'
import { UNSHARED_LIMITS } from '../src/cdf/shared-limits.ts'
import type { SharedJobs } from '../src/jobs/shared-jobs.ts'
import { UNSHARED_JOBS } from '../src/jobs/shared-jobs.ts'
import type { RedisServer } from '../src/redis/redis-client.ts'
import { redisClients } from '../src/redis/redis-client.ts'
import { RedisConnection } from '../src/redis/redis-connection.ts'
import { RedisJobAnnouncements } from '../src/redis/redis-job-announcements.ts'
import { RedisJobLeases } from '../src/redis/redis-job-leases.ts'
import { RedisJobStore } from '../src/redis/redis-job-store.ts'
import { RedisKeys } from '../src/redis/redis-keys.ts'
import { RedisSharedLimits } from '../src/redis/redis-shared-limits.ts'

/** Options of {@link fleetPlugin}. */
export interface FleetOptions {
  /** `undefined` = this process is a fleet of its own. */
  redis: { server: RedisServer; keyPrefix: string; timeoutMs: number } | undefined
  cdf: { baseUrl: string; project: string }
  clientId: string
  /** Greatest number of calls to CDF at once, all replicas together. */
  maxConcurrency: number
  /** Monotonic clock, milliseconds. */
  now: () => number
  schedule: Scheduler
}

/** What the replicas share. */
export interface Fleet {
  readonly jobs: SharedJobs
  readonly limits: SharedLimits
}

/** Each kind of rejected command is logged once, up to this number of kinds. */
const MAX_LOGGED = 10

/** Decorates `app.fleet`: what the replicas share through Redis, or nothing. */
export const fleetPlugin = fp(
  async function fleet(
    app,
    { redis: options, cdf, clientId, maxConcurrency, now, schedule }: FleetOptions,
  ) {
    if (!options) {
      app.decorate('fleet', { jobs: UNSHARED_JOBS, limits: UNSHARED_LIMITS })
      return
    }
    const { server, keyPrefix: prefix, timeoutMs } = options
    const metrics = app.metrics.addRedisMetrics()
    const keys = new RedisKeys({ prefix, project: cdf.project, cdfUrl: cdf.baseUrl, clientId })
    const replica = randomUUID()
    const logged = new Set<string>()
    /** Whether a line of this kind has not been logged yet. */
    const isFirst = (kind: string) =>
      logged.size < MAX_LOGGED && !logged.has(kind) && logged.add(kind)

    const clients = once(() => redisClients(server))
    const redis = new RedisConnection({
      createClient: async (clientOptions) => (await clients())(clientOptions),
      probeKey: keys.probe,
      timeoutMs,
      now,
      schedule,
      onStateChange: (isAvailable, reason) => {
        if (isAvailable) app.log.info('Redis available')
        else app.log.warn({ reason }, 'Redis unavailable')
        if (!isAvailable) limits.skipStart()
      },
      onInterruption: () => announcements.reset(),
      onCommand: (outcome, reason) => {
        metrics.commands.inc({ outcome })
        if (outcome === 'rejected' && isFirst(`${reason}`))
          app.log.warn({ reason }, 'Redis rejected a command')
      },
    })
    const store = new RedisJobStore(redis, keys, (outcome) => {
      metrics.lookups.inc({ outcome })
      if (outcome === 'invalid' && isFirst(outcome)) app.log.warn('invalid value in Redis ignored')
    })
    const stream = keys.announcements
    const announcements = new RedisJobAnnouncements({ redis, stream, replica })
    const onRelease = (jobId: JobId) => announcements.announce(jobId)
    const leases = new RedisJobLeases({ redis, keys, timeoutMs, now, schedule, onRelease })
    const limits = new RedisSharedLimits({ redis, keys, replica, maxConcurrency, schedule })
    app.decorate('fleet', { jobs: { store, leases, announcements }, limits })

    app.metrics.onScrape(() => {
      metrics.available.set(redis.isAvailable ? 1 : 0)
      metrics.replicas.set(limits.replicas)
    })
    app.addHook('onReady', async () => {
      redis.open()
    })
    app.addHook('onClose', async () => {
      await limits.stop()
      redis.close()
    })
  },
  { name: 'fleet', dependencies: ['metrics'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    fleet: Fleet
  }
}
