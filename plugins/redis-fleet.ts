import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { JobId } from '../src/cdf/job-id.ts'
import { getStoredJob } from '../src/redis/get-stored-job.ts'
import { type RedisSettings, redisClientFactory } from '../src/redis/redis-client.ts'
import { RedisConnection } from '../src/redis/redis-connection.ts'
import { RedisJobAnnouncements } from '../src/redis/redis-job-announcements.ts'
import { RedisJobLeases } from '../src/redis/redis-job-leases.ts'
import { redisKeys } from '../src/redis/redis-keys.ts'
import { RedisSharedLimits } from '../src/redis/redis-shared-limits.ts'
import type { Fleet, FleetOptions } from './fleet.ts'

/** Options of {@link connectFleet}. */
export interface RedisFleetOptions extends Omit<FleetOptions, 'redis'> {
  redis: RedisSettings
}

/** Each kind of rejected command is logged once, up to this number of kinds. */
const MAX_LOGGED = 10

/** Shares jobs and limits through Redis, from the start of the application to its end. */
export function connectFleet(app: FastifyInstance, options: RedisFleetOptions): Fleet {
  const { cdf, identityProvider, upstream, now, schedule } = options
  const { maxConcurrency } = upstream
  const { server, keyPrefix: prefix, timeoutMs } = options.redis
  const metrics = app.metrics.addRedisMetrics()
  const keys = redisKeys({ prefix, cdf, identityProvider })
  const replica = randomUUID()
  const logged = new Set<string>()
  /** Whether a line of this kind has not been logged yet. */
  const isFirst = (kind: string) =>
    logged.size < MAX_LOGGED && !logged.has(kind) && logged.add(kind)

  const redis = new RedisConnection({
    createClient: redisClientFactory(server),
    probeKey: keys.probe,
    timeoutMs,
    now,
    schedule,
    onStateChange: (isAvailable, reason) => {
      if (isAvailable) app.log.info('Redis available')
      else app.log.warn({ reason }, 'Redis unavailable')
      if (!isAvailable) limits.skipStart()
    },
    onInterruption: () => announcements.notifyLoss(),
    onCommand: (outcome, reason) => {
      metrics.commands.inc({ outcome })
      if (outcome === 'rejected' && isFirst(`${reason}`))
        app.log.warn({ reason }, 'Redis rejected a command')
    },
  })
  const onLookup = (outcome: 'hit' | 'miss' | 'invalid') => {
    metrics.lookups.inc({ outcome })
    if (outcome === 'invalid' && isFirst(outcome)) app.log.warn('invalid value in Redis ignored')
  }
  const stream = keys.announcements
  const announcements = new RedisJobAnnouncements({ redis, stream, replica })
  const announce = (jobId: JobId) => announcements.announce(jobId)
  const leases = new RedisJobLeases({ redis, keys, timeoutMs, now, schedule, announce })
  const limits = new RedisSharedLimits({ redis, keys, replica, maxConcurrency, schedule })

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

  return {
    jobs: {
      get: (jobId) => getStoredJob(jobId, { redis, keys, onLookup }),
      acquireLease: (jobId) => leases.acquire(jobId),
      onRelease: (listener) => announcements.subscribe(listener),
    },
    limits,
  }
}
