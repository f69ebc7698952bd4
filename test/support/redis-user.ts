import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Owner, type RedisServerProcess, startRedis } from './redis-server.ts'

/** Name and password in tests, for a URL. */
export const CREDENTIALS = 'cdf-job-quality:secret'

/** The rules of a user in a page of the documentation: `user cdf-job-quality RULES`. */
const documented = await readFile(
  resolve(import.meta.dirname, '../../docs/deployment.md'),
  'utf8',
).then((page) => [...page.matchAll(/^user cdf-job-quality on >PASSWORD (.*)$/gm)])

const [redisRules, sentinelRules] = documented.map(([, rules = '']) => rules.split(' '))

/** Command line options that create the user of docs/deployment.md, for Redis and for Sentinel. */
export const USER_OPTIONS = ['--user', 'cdf-job-quality', 'on', '>secret', ...(redisRules ?? [])]
export const SENTINEL_USER = ['cdf-job-quality', 'on', '>secret', ...(sentinelRules ?? [])]

/** Starts Redis with the user. The URL has its credentials. */
export async function startRedisWithUser(
  t: Owner,
  ...options: string[]
): Promise<RedisServerProcess> {
  const redis = await startRedis(t, ...USER_OPTIONS, ...options)
  return { ...redis, url: `redis://${CREDENTIALS}@127.0.0.1:${redis.port}` }
}
