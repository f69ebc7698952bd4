import { SYSTEM_CLOCK } from '../async/clock.ts'
import { type RedisSettings, redisClientFactory } from '../redis/redis-client.ts'
import { PROBE, RedisConnection } from '../redis/redis-connection.ts'
import { type RedisScope, redisKeys } from '../redis/redis-keys.ts'
import type { Finding } from './finding.ts'
import { redisHint } from './hints.ts'

/** What the configuration says about Redis. */
interface RedisCheckOptions extends Omit<RedisScope, 'prefix'> {
  /** `undefined` without `REDIS_URL`. */
  redis: RedisSettings | undefined
}

/** Connects and subscribes to Redis in the same way as the service, and writes a key that expires after a second. */
export async function checkRedis(options: RedisCheckOptions): Promise<Finding> {
  const { redis: settings, ...scope } = options
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
  await redis.eval(PROBE, [keys.probe], [])
  redis.close()

  const nodes = server.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  const text = `${server.mode} at ${nodes}${server.tls ? ' with TLS' : ''}`
  return failure === ''
    ? { ok: true, text: `${text} executes scripts` }
    : { ok: false, text: `${text}: ${failure}`, details: redisHint(failure) }
}
