import type { JobId } from '../cdf/job-id.ts'
import type { SharedJob } from '../jobs/shared-jobs.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { MAX_STORED_BYTES, parseStoredJob } from './stored-job.ts'

/**
 * Sets `value` to a string, cut after a number of bytes, and `now` to the time in milliseconds. Another type is an invalid
 * value.
 */
export const GET_RESULT = (key: string, maxBytes: string) => `
local value = redis.pcall('GETRANGE', ${key}, 0, ${maxBytes})
if type(value) == 'table' then
  if not string.find(value.err, 'WRONGTYPE', 1, true) then return value end
  value = 'another type'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

const GET = `${GET_RESULT('KEYS[1]', 'ARGV[1]')}
return { now, value }`

interface StoredJobOptions {
  redis: RedisConnection
  keys: RedisKeys
  onLookup: (outcome: 'hit' | 'miss' | 'invalid') => void
}

/** The latest result of a job in Redis, unless it has expired. Leases store it. */
export async function getStoredJob(
  jobId: JobId,
  { redis, keys, onLookup }: StoredJobOptions,
): Promise<SharedJob | undefined> {
  const answer = await redis.eval(GET, [keys.result(jobId)], [MAX_STORED_BYTES])
  if (!Array.isArray(answer)) return undefined
  const [nowMs, text] = answer
  const job = text === '' ? undefined : parseStoredJob(jobId, `${text}`, Number(nowMs))
  onLookup(job ? 'hit' : text === '' ? 'miss' : 'invalid')
  return job
}
