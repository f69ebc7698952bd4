import { SYSTEM_CLOCK } from '../async/clock.ts'
import { type RedisServer, redisClientFactory } from '../redis/redis-client.ts'
import { RedisConnection } from '../redis/redis-connection.ts'
import { type RedisScope, redisKeys } from '../redis/redis-keys.ts'
import type { Finding } from './finding.ts'
import { redisHint } from './hints.ts'

const WRITE = "return redis.call('SET', KEYS[1], '1', 'PX', 1000)"

/**
 * Connects and subscribes to Redis in the same way as the service, and writes a key that expires after a second.
 * @param settings `undefined` without `REDIS_URL`
 */
export async function checkRedis(
  settings: { server: RedisServer; keyPrefix: string; timeoutMs: number } | undefined,
  scope: Omit<RedisScope, 'prefix'>,
): Promise<Finding> {
  if (!settings) return { ok: true, text: 'not used without REDIS_URL' }
  const { server, keyPrefix: prefix, timeoutMs } = settings
  const keys = redisKeys({ prefix, ...scope })
  let failure = ''
  const redis = new RedisConnection({
    createClient: redisClientFactory(server),
    probeKey: keys.probe,
    timeoutMs,
    ...SYSTEM_CLOCK,
    onStateChange: (isAvailable, reason) => {
      if (!isAvailable) failure = reason
    },
    onInterruption: () => {},
    onCommand: (_outcome, reason = '') => {
      failure = reason
    },
  })
  redis.subscribe(keys.announcements, () => {})
  await redis.open()
  await redis.eval(WRITE, [keys.probe], [])
  redis.close()

  const nodes = server.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  const text = `${server.mode} at ${nodes}${server.tls ? ' with TLS' : ''}`
  return failure === ''
    ? { ok: true, text: `${text} executes scripts` }
    : { ok: false, text: `${text}: ${failure}`, details: redisHint(failure) }
}
