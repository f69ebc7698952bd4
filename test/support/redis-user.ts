import type { Owner, RedisServerProcess } from './redis-server.ts'
import { startRedis } from './redis-server.ts'

/** The least rights that the service needs, with its default prefix, as in an ACL file. */
export const LEAST_RIGHTS =
  '~cdf-job-quality:* &cdf-job-quality:* -@all +eval +get +set +getrange +del +pttl +pexpire +time +hgetall +hset +hdel +xadd +xrange +spublish +ssubscribe +ping +hello +select +asking +cluster|slots'

/** Name and password of a user with {@link LEAST_RIGHTS}, for a URL. */
export const CREDENTIALS = 'service:secret'

/** Command line options that create the user. */
export const USER_OPTIONS = ['--user', 'service', 'on', '>secret', ...LEAST_RIGHTS.split(' ')]

/** Starts Redis with the user. The URL has its credentials. */
export async function startRedisWithUser(
  t: Owner,
  ...options: string[]
): Promise<RedisServerProcess> {
  const redis = await startRedis(t, ...USER_OPTIONS, ...options)
  return { ...redis, url: `redis://${CREDENTIALS}@127.0.0.1:${redis.port}` }
}
