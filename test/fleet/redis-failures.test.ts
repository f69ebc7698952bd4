import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import type { Service } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

/** The log lines about Redis. */
const redisLines = ({ logs }: Service) =>
  logs.map(({ msg }) => `${msg}`).filter((line) => line.includes('Redis'))
/** Number of commands to Redis with an outcome. */
const commandsOf = async ({ app }: Service, outcome: string) =>
  Number(
    new RegExp(`redis_commands_total\\{outcome="${outcome}"\\} (\\d+)`).exec(
      await app.metrics.text(),
    )?.[1],
  )

t.test(
  'while Redis hangs, each replica works alone, and waits for it once',
  { skip },
  async (t) => {
    const { redis, services, simulator } = await startFleet(t, {
      environment: { REDIS_TIMEOUT_MS: '50' },
    })
    const [first, second] = services as [Service, Service]
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    redis.signal('SIGSTOP')
    await until(() =>
      services.every((service) => redisLines(service).at(-1) === 'Redis unavailable'),
    )
    const failures = await commandsOf(first, 'failure')
    for (const { quality } of services) {
      t.match(await quality(), { status: 200, body: { status: 'Running' } })
      t.match(await quality(jobIdOf(1)), { status: 404 })
      t.match((await quality()).status, 200)
    }
    t.equal(await commandsOf(first, 'failure'), failures, 'no command was sent')
    t.equal(simulator.cdf.readsOf(JOB_ID), 2, 'one read for each replica')
    t.match(await first.get('/health/ready'), { status: 200 })

    redis.signal('SIGCONT')
    await until(() => services.every((service) => redisLines(service).at(-1) === 'Redis available'))
    simulator.cdf.addJob(lasting(jobIdOf(2), 'Completed', SCORES))
    t.match(await first.quality(jobIdOf(2)), { status: 200 })
    await until(async () =>
      (await redis.command('KEYS', `*${jobIdOf(2)}*:result`)).startsWith('*1'),
    )
    const shared = await second.quality(jobIdOf(2))
    t.equal(shared.headers.get('cache-status'), 'cdf-job-quality; hit')
  },
)

t.test('watchers miss no change while Redis is killed and restarted', { skip }, async (t) => {
  const { redis, services, simulator } = await startFleet(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Queued'))
  const streams = await Promise.all(
    services.map(({ url }) => openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`)),
  )
  const all = (state: string) => () => streams.every(({ states }) => states().includes(state))
  await until(all('Queued'))
  await redis.kill()
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  await until(all('Running'))
  await redis.restart()
  await until(() => services.every((service) => redisLines(service).at(-1) === 'Redis available'))
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await until(() => streams.every(({ hasEnded }) => hasEnded()))
  for (const { states } of streams) t.strictSame(states(), ['Queued', 'Running', 'Completed'])
  for (const service of services)
    t.strictSame(redisLines(service), ['Redis available', 'Redis unavailable', 'Redis available'])
})

t.test('the lease of a dead replica delays a job, and then it is read', { skip }, async (t) => {
  const { redis, services, simulator } = await startFleet(t)
  const [first] = services as [Service]
  await first.quality()
  const key = (await redis.command('KEYS', `*${JOB_ID}*:result`)).split('\r\n')[2] ?? ''
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  await redis.command('DEL', key)
  await redis.command('SET', key.replace('result', 'lease'), 'dead', 'PX', '1000')
  const other = services[1] as Service
  // The first replica has cached that the job is unknown.
  t.match(await other.quality(), { status: 200, body: { status: 'Running' } })
  t.equal(simulator.cdf.readsOf(JOB_ID), 2)
})

t.test('values of another version are ignored, counted, and overwritten', { skip }, async (t) => {
  const { redis, services, simulator } = await startFleet(t)
  const [first, second] = services as [Service, Service]
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await first.quality(jobIdOf(1))
  const template = (await redis.command('KEYS', `*${jobIdOf(1)}*:result`)).split('\r\n')[2] ?? ''
  const key = template.replace(jobIdOf(1), JOB_ID)
  await redis.command('SET', key, `2 1 0\n{"jobId":"${JOB_ID}","status":"Failed"}`, 'PX', '60000')
  t.match(await first.quality(), { status: 200, body: { status: 'Completed' } })
  await until(async () => /^1 /m.test(await redis.command('GET', key)))
  t.equal((await second.quality()).headers.get('cache-status'), 'cdf-job-quality; hit')
  t.match(await first.app.metrics.text(), /redis_lookups_total\{outcome="invalid"\} 1/)
  t.equal(redisLines(first).at(-1), 'invalid value in Redis ignored')
})

t.test('a change is heard in time although its message is lost', { skip }, async (t) => {
  const { redis, services, simulator } = await startFleet(t)
  const [first, second] = services as [Service, Service]
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${second.url}/jobs/${JOB_ID}/quality/events`)
  await until(() => stream.events.length === 1)
  // Messages are denied, and everything else works.
  await redis.command('ACL', 'SETUSER', 'service', '-spublish')
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await until(async () => (await first.quality()).text.includes('Completed'))
  await until(() => stream.hasEnded())
  t.strictSame(stream.states(), ['Running', 'Completed'])
})

t.test('a replica starts without Redis, and is ready', { skip }, async (t) => {
  const { redis, start, simulator } = await startFleet(t, { replicas: 1 })
  await redis.kill()
  const service = await start()
  await until(() => service.app.lifeCycle.readinessBlockers.size === 0)
  t.match(await service.get('/health/ready'), { status: 200 })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  t.match(await service.quality(), { status: 200 })
  await redis.restart()
  await until(() => service.app.fleet.limits.replicas === 2)
})
