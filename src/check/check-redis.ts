import { randomUUID } from 'node:crypto'
import { SYSTEM_CLOCK } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import { getStoredJob } from '../redis/get-stored-job.ts'
import { type RedisSettings, redisClientFactory } from '../redis/redis-client.ts'
import { RedisConnection } from '../redis/redis-connection.ts'
import { RedisJobAnnouncements } from '../redis/redis-job-announcements.ts'
import { RedisJobLeases } from '../redis/redis-job-leases.ts'
import { type RedisKeys, type RedisScope, redisKeys } from '../redis/redis-keys.ts'
import { RedisSharedLimits } from '../redis/redis-shared-limits.ts'
import type { Finding } from './finding.ts'
import { redisHint } from './hints.ts'

interface RedisCheckOptions extends Omit<RedisScope, 'prefix'> {
  /** `undefined` without `REDIS_URL`. */
  redis: RedisSettings | undefined
}

/** Number of jobs: enough to reach each node of a cluster. */
const JOBS = 16

/**
 * Does with Redis what a replica does: shares limits, leases and results of jobs. Its keys are not those of the service, so
 * that replicas that run notice nothing. They expire after ten seconds at the latest.
 */
export async function checkRedis({
  redis: settings,
  ...scope
}: RedisCheckOptions): Promise<Finding> {
  if (!settings) return { ok: true, text: 'not used without REDIS_URL' }
  const { server, keyPrefix, timeoutMs } = settings
  const keys = redisKeys({ ...scope, prefix: `${keyPrefix}check:` })
  let failure = ''
  const redis = new RedisConnection({
    createClient: redisClientFactory(server),
    probeKey: keys.probe,
    timeoutMs,
    ...SYSTEM_CLOCK,
    onStateChange: (isAvailable, reason) => {
      if (!isAvailable) failure ||= reason
    },
    onInterruption: () => {},
    onCommand: (_outcome, reason = '') => {
      failure ||= reason
    },
  })
  await shareJobs(redis, keys, timeoutMs)
  redis.close()

  const nodes = server.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  const text = `${server.mode} at ${nodes}${server.tls ? ' with TLS' : ''}`
  return failure === ''
    ? { ok: true, text: `${text} accepts all commands of the service` }
    : { ok: false, text: `${text}: ${failure}`, details: redisHint(failure) }
}

async function shareJobs(
  redis: RedisConnection,
  keys: RedisKeys,
  timeoutMs: number,
): Promise<void> {
  const replica = randomUUID()
  const options = { redis, keys, replica, timeoutMs, maxConcurrency: 1, ...SYSTEM_CLOCK }
  const announcements = new RedisJobAnnouncements({ ...options, stream: keys.announcements })
  const announced: Promise<void>[] = []
  const announce = (jobId: JobId) => announced.push(announcements.announce(jobId))
  const leases = new RedisJobLeases({ ...options, announce })
  const limits = new RedisSharedLimits(options)

  await redis.open()
  if (!redis.isAvailable) return
  await limits.start({ callsInFlight: 0, setMaxConcurrency: () => {}, adoptPause: () => {} })
  for (let number = 0; number < JOBS; number += 1) {
    // A random UUID is in canonical form.
    const jobId = randomUUID() as string as JobId
    const { lease } = await leases.acquire(jobId)
    await lease?.release({ job: { jobId, status: 'Running' }, ageAtReadMs: 0, ttlMs: 1_000 })
    await getStoredJob(jobId, { redis, keys, onLookup: () => {} })
  }
  await Promise.all(announced)
  limits.pause({ coolDownMs: 1, openMs: 1 })
  await limits.stop()
}
