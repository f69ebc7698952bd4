import type { JobId } from '../cdf/job-id.ts'
import type { SharedJob, SharedJobStore } from '../jobs/shared-jobs.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { MAX_STORED_BYTES, parseStoredJob } from './stored-job.ts'

/** Returns the value of a string, cut after a number of bytes, and the time. Another type is an invalid value. */
const GET = `
local value = redis.pcall('GETRANGE', KEYS[1], 0, ARGV[1])
if type(value) == 'table' then
  if not string.find(value.err, 'WRONGTYPE', 1, true) then return value end
  value = 'another type'
end
local time = redis.call('TIME')
return { value, time[1] * 1000 + math.floor(time[2] / 1000) }`

/** The results of jobs in Redis. Leases store them. */
export class RedisJobStore implements SharedJobStore {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #onLookup: (outcome: 'hit' | 'miss' | 'invalid') => void

  constructor(
    redis: RedisConnection,
    keys: RedisKeys,
    onLookup: (outcome: 'hit' | 'miss' | 'invalid') => void,
  ) {
    this.#redis = redis
    this.#keys = keys
    this.#onLookup = onLookup
  }

  async get(jobId: JobId): Promise<SharedJob | undefined> {
    const answer = await this.#redis.eval(GET, [this.#keys.result(jobId)], [MAX_STORED_BYTES])
    if (!Array.isArray(answer)) return undefined
    const [text, nowMs] = answer
    if (text === '') {
      this.#onLookup('miss')
      return undefined
    }
    const known = parseStoredJob(jobId, `${text}`, Number(nowMs))
    this.#onLookup(known ? 'hit' : 'invalid')
    return known
  }
}
