import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { type RedisServerProcess, skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { type Service, startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

/** Starts a service that is connected to Redis and reads jobs: while the event loop is busy with the start, it does not. */
async function startConnected(t: Test, redis: RedisServerProcess): Promise<Service> {
  // Longer than in the service, because the machine can be busy: a slow answer would be an outage in the log.
  const environment = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '2000' }
  const service = await startService(t, { environment })
  await until(() => redisLines(service).length === 1)
  await until(async () => (await service.quality('1')).status === 404)
  return service
}

/** The samples of Redis, by name and labels. */
async function redisSamples({ app }: Service): Promise<Record<string, number>> {
  const text = await app.metrics.text()
  const samples = text.matchAll(/^cdf_job_quality_((?:redis_|replicas)\S*) (\S+)$/gm)
  return Object.fromEntries([...samples].map(([, name, value]) => [name, Number(value)]))
}

/** The log lines about Redis, without the time and the like. */
const redisLines = ({ logs }: Service) =>
  logs
    .filter(({ msg }) => /Redis/.test(`${msg}`))
    .map(({ level, msg, reason }) => [level, msg, ...(reason ? [reason] : [])].join(' '))

t.test('without REDIS_URL, there are neither metrics nor log lines of Redis', async (t) => {
  const service = await startService(t)
  t.strictSame(await redisSamples(service), {})
  t.notMatch(await service.app.metrics.text(), /redis/)
  t.strictSame(redisLines(service), [])
})

t.test('the counters of Redis begin with 0, and a start without Redis is logged', async (t) => {
  const REDIS_URL = `redis://127.0.0.1:${await freePort()}`
  const service = await startService(t, { environment: { REDIS_URL } })
  await until(() => redisLines(service).length > 0)
  t.strictSame(redisLines(service), ['40 Redis unavailable ECONNREFUSED'])
  t.strictSame(await redisSamples(service), {
    redis_available: 0,
    'redis_commands_total{outcome="success"}': 0,
    'redis_commands_total{outcome="failure"}': 0,
    'redis_commands_total{outcome="rejected"}': 0,
    'redis_lookups_total{outcome="hit"}': 0,
    'redis_lookups_total{outcome="miss"}': 0,
    'redis_lookups_total{outcome="invalid"}': 0,
    replicas: 1,
  })
})

t.test('commands and lookups are counted, and each outage is logged once', { skip }, async (t) => {
  const redis = await startRedis(t)
  const service = await startConnected(t, redis)
  const before = await redisSamples(service)
  service.simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  t.equal((await service.quality()).status, 200)
  const samples = await redisSamples(service)
  t.match(samples, {
    redis_available: 1,
    'redis_lookups_total{outcome="miss"}':
      Number(before['redis_lookups_total{outcome="miss"}']) + 1,
    'redis_commands_total{outcome="failure"}': 0,
    replicas: 1,
  })
  t.ok(Number(samples['redis_commands_total{outcome="success"}']) >= 3)
  await redis.kill()
  await until(() => redisLines(service).length === 2)
  t.match(await redisSamples(service), { redis_available: 0 })
  await redis.restart()
  await until(() => redisLines(service).length === 3)
  t.match(await redisSamples(service), { redis_available: 1 })
  const [available, unavailable, again] = redisLines(service)
  t.strictSame([available, again], ['30 Redis available', '30 Redis available'])
  t.match(unavailable, /^40 Redis unavailable \w+$/)
})

t.test(
  'rejected commands and invalid values are counted, and each kind is logged once',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const service = await startConnected(t, redis)
    const { simulator, quality } = service
    for (const jobId of [jobIdOf(1), jobIdOf(2)])
      simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
    await quality(jobIdOf(1))
    let key = ''
    await until(async () => {
      const keys = await redis.command('KEYS', `*${jobIdOf(1)}*result`)
      key = /cdf-job-quality:\S+/.exec(keys)?.[0] ?? ''
      return key !== ''
    })
    for (const jobId of [jobIdOf(2), jobIdOf(3)])
      await redis.command('SET', key.replace(jobIdOf(1), jobId), '<hostile>', 'PX', '60000')
    t.equal((await quality(jobIdOf(2))).status, 200)
    t.equal((await quality(jobIdOf(3))).status, 404)
    t.match(await redisSamples(service), { 'redis_lookups_total{outcome="invalid"}': 2 })

    // Below what it uses: every write is rejected.
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    for (const jobId of [jobIdOf(4), jobIdOf(5)]) t.equal((await quality(jobId)).status, 404)
    const samples = await redisSamples(service)
    t.ok(Number(samples['redis_commands_total{outcome="rejected"}']) >= 2)
    t.equal(samples.redis_available, 1)
    t.strictSame(redisLines(service), [
      '30 Redis available',
      '40 invalid value in Redis ignored',
      '40 Redis rejected a command OOM',
    ])
  },
)
