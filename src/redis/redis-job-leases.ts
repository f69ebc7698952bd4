import { randomUUID } from 'node:crypto'
import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { JobLease, LeaseAttempt, SharedUpdate } from '../jobs/shared-jobs.ts'
import { UNSHARED_LEASE } from '../jobs/shared-jobs.ts'
import { GET_RESULT } from './get-stored-job.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { formatStoredJob, MAX_STORED_BYTES, parseStoredJob } from './stored-job.ts'

interface RedisJobLeasesOptions extends Pick<Clock, 'now' | 'schedule'> {
  redis: RedisConnection
  keys: RedisKeys
  /** Limit for one command; milliseconds. */
  timeoutMs: number
  /** Announces that this replica has released the lease of a job. */
  announce: (jobId: JobId) => void
}

/** A lease ends after this time if it is not renewed, so a dead replica delays a job by this much. */
const LEASE_MS = 1_000
const RENEW_MS = 300
/** TTL of a new lease until its first renewal, in multiples of `REDIS_TIMEOUT_MS`. */
const UNCONFIRMED_TTL_FACTOR = 5

/**
 * Takes the lease of a job, and returns the time and the result; else only the remaining time of the other lease. A lease
 * that no replica can have taken, because it does not end soon, is replaced.
 */
const ACQUIRE = `
local ttl = tonumber(ARGV[2])
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ttl) then
  local held = redis.call('PTTL', KEYS[1])
  if held >= 0 and held <= tonumber(ARGV[3]) then return { held } end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ttl)
end
${GET_RESULT('KEYS[2]', 'ARGV[4]')}
return { now, value }`

/** Only its holder may renew or release a lease. */
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** Also stores or deletes the result: a value and the time at which it expires, or an empty value. */
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] == '' then redis.call('DEL', KEYS[2])
elseif ARGV[2] then redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3]) end
return 1`

/** Leases in Redis: a key per job with the token of the holder. Without Redis, each replica has its own lease. */
export class RedisJobLeases {
  readonly #options: RedisJobLeasesOptions

  constructor(options: RedisJobLeasesOptions) {
    this.#options = options
  }

  /** Tries once. */
  async acquire(jobId: JobId): Promise<LeaseAttempt> {
    const { redis, keys, timeoutMs } = this.#options
    const token = randomUUID()
    // Short until Redis has answered: if the answer is lost, no replica renews the lease.
    const ttlMs = Math.min(UNCONFIRMED_TTL_FACTOR * timeoutMs, LEASE_MS)
    const args = [token, ttlMs, LEASE_MS, MAX_STORED_BYTES]
    const answer = await redis.eval(ACQUIRE, [keys.lease(jobId), keys.result(jobId)], args)
    if (!Array.isArray(answer)) return { lease: UNSHARED_LEASE, stored: undefined }
    const [ms, value] = [Number(answer[0]), answer[1]]
    if (value === undefined) return { heldForMs: Math.max(1, ms) }
    return {
      lease: this.#hold(jobId, token, ms),
      stored: parseStoredJob(jobId, `${value}`, ms),
    }
  }

  /** @param grantedAtMs the clock of Redis when it granted the lease */
  #hold(jobId: JobId, token: string, grantedAtMs: number): JobLease {
    const { redis, keys, now, schedule, announce } = this.#options
    const lease = keys.lease(jobId)
    const answeredAtMs = now()
    let isReleased = false
    let cancelRenewal = () => {}
    const renew = async () => {
      const isHeld = await redis.eval(RENEW, [lease], [token, LEASE_MS])
      // Without an answer in time, the lease can still be held.
      const canBeHeld = isHeld === 1 || (isHeld === undefined && redis.isAvailable)
      if (canBeHeld && !isReleased) cancelRenewal = schedule(RENEW_MS, renew)
    }
    // Deferred, because many leases are released in the same tick.
    cancelRenewal = schedule(0, renew)
    return {
      release: async (update) => {
        isReleased = true
        cancelRenewal()
        const nowMs = grantedAtMs + now() - answeredAtMs
        const args = [token, ...updateArguments(update, nowMs)]
        await redis.eval(RELEASE, [lease, keys.result(jobId)], args)
        announce(jobId)
      },
    }
  }
}

/** @param nowMs the clock of Redis */
function updateArguments(update: SharedUpdate | undefined, nowMs: number): (string | number)[] {
  if (!update) return []
  if (update === 'delete' || !(update.ttlMs >= 1)) return ['']
  const text = formatStoredJob({ ...update, readAtMs: nowMs })
  return text === undefined ? [''] : [text, Math.floor(nowMs + update.ttlMs)]
}
