import type { Test } from 'tap'
import { scheduleTimeout } from '../../src/async/clock.ts'
import { type RedisServer, redisClientFactory } from '../../src/redis/redis-client.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { redisKeys } from '../../src/redis/redis-keys.ts'
import { parseRedisUrl } from '../../src/redis/redis-url.ts'
import type { Owner } from './redis-server.ts'
import { until } from './wait.ts'

/** Keys with a prefix. */
export const keysOf = (prefix: string) =>
  redisKeys({
    prefix,
    cdf: { baseUrl: 'https://cdf.example', project: 'project' },
    identityProvider: { clientId: 'client' },
  })

/** The keys of the service in tests. */
export const KEYS = keysOf('test:')

/** A connection to a server, before it is opened. It closes with its owner. */
export function redisConnection(
  t: Owner,
  server: Pick<RedisServer, 'nodes'> & Partial<RedisServer>,
  // Longer than in the service, because the machine can be busy.
  timeoutMs = 2_000,
) {
  const states: string[] = []
  const commands: string[] = []
  const clients = redisClientFactory({
    mode: 'standalone',
    sentinelName: undefined,
    tls: false,
    database: 0,
    username: undefined,
    readPassword: async () => undefined,
    ...server,
  })
  const redis = new RedisConnection({
    createClient: clients,
    probeKey: KEYS.probe,
    timeoutMs,
    now: () => performance.now(),
    schedule: scheduleTimeout,
    onStateChange: (isAvailable, reason) => states.push(`${isAvailable ? 'up' : 'down'} ${reason}`),
    onInterruption: () => {},
    onCommand: (outcome, reason) => commands.push([outcome, reason].filter(Boolean).join(' ')),
  })
  t.teardown(() => redis.close())
  return { redis, states, commands, timeoutMs }
}

/** Executes a script that writes, and returns how often it has done so. */
export const COUNT = "return redis.call('INCR', KEYS[1])"
/** A channel that {@link connectRedis} subscribes to. */
export const CHANNEL = KEYS.limits
const PUBLISH = "return redis.call('SPUBLISH', KEYS[1], ARGV[1])"

/** Opens a connection for a URL, with what else the service is configured with. */
export async function connectRedis(t: Test, url: string, server: Partial<RedisServer> = {}) {
  const parsed = parseRedisUrl(url)
  if (!parsed) throw new Error(url)
  const { password, ...parts } = parsed
  const readPassword = async () => password
  const connection = redisConnection(t, { readPassword, ...parts, ...server })
  const { redis } = connection
  const messages: string[] = []
  redis.subscribe(CHANNEL, (message) => messages.push(message))
  await redis.open()
  /** Resolves when scripts and messages work. */
  const untilItWorks = async (text: string) => {
    await until(async () => {
      await redis.eval(PUBLISH, [CHANNEL], [text])
      return messages.includes(text)
    })
    await until(async () => (await redis.eval(COUNT, [KEYS.probe], [])) !== undefined)
  }
  return { ...connection, untilItWorks }
}
