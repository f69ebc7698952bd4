import type { Test } from 'tap'
import { type RedisServerProcess, startRedisServer } from '../../simulator/redis-server.ts'
import { skipWithout } from './skip-without.ts'

export type { RedisServerProcess }

/** A test, or anything else that ends what was started for it. */
export type Owner = Pick<Test, 'teardown'>

/** The `skip` option of tests that need Redis. */
export const skipWithoutRedis = await skipWithout('redis-server', '--version')

/**
 * Starts Redis. It ends with its owner.
 * @param options of the command line, such as `--maxmemory 1mb`, or a configuration file
 */
export async function startRedis(t: Owner, ...options: string[]): Promise<RedisServerProcess> {
  const redis = await startRedisServer(...options)
  t.teardown(redis.stop)
  return redis
}
