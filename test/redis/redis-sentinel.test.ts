import t from 'tap'
import { connectRedis } from '../support/connect-redis.ts'
import { startRedisSentinels } from '../support/redis-sentinel.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

t.test('finds the primary through sentinels, also after a failover', { skip }, async (t) => {
  const { primary, replica, sentinels, environment } = await startRedisSentinels(t)
  const { REDIS_URL, REDIS_SENTINEL_NAME: sentinelName } = environment
  const { redis, states, untilItWorks } = await connectRedis(t, REDIS_URL, {
    mode: 'sentinel',
    sentinelName,
  })
  await untilItWorks('before')
  const other = await connectRedis(t, REDIS_URL, { mode: 'sentinel', sentinelName: 'unknown' })
  t.strictSame(other.states, ['down UNKNOWN_PRIMARY'])
  await sentinels[0]?.kill()
  await primary.kill()
  await until(() => !redis.isAvailable)
  await untilItWorks('after the failover')
  t.match(await replica.command('ROLE'), /master/)
  t.equal(states.length, 3)
})

t.test('sends the password to sentinels only if they require one', { skip }, async (t) => {
  const { primary, sentinels, environment } = await startRedisSentinels(t)
  await primary.command('CONFIG', 'SET', 'requirepass', 'secret')
  await sentinels[1]?.command('CONFIG', 'SET', 'requirepass', 'secret')
  await sentinels[2]?.command('CONFIG', 'SET', 'requirepass', 'secret')
  for (const sentinel of sentinels) {
    const url = `redis://:secret@127.0.0.1:${sentinel.port}`
    const sentinelName = environment.REDIS_SENTINEL_NAME
    const { redis } = await connectRedis(t, url, { mode: 'sentinel', sentinelName })
    t.ok(redis.isAvailable)
  }
})
