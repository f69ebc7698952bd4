import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import type { Service } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis
/** The tests share two replicas. Each test has its own jobs. */
const fleet = () => shared ?? Promise.reject(new Error('no Redis'))
const shared = skip ? undefined : startFleet(t, { environment: { REDIS_TIMEOUT_MS: '200' } })

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
const untilLogged = (services: Service[], line: string) =>
  until(() => services.every((service) => redisLines(service).at(-1) === line))

t.test('values of another version are ignored, counted, and overwritten', { skip }, async (t) => {
  const { redis, services, simulator } = await fleet()
  const [first, second] = services as [Service, Service]
  const [known, jobId] = [jobIdOf(1), jobIdOf(2)]
  simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  await first.quality(known)
  await until(async () => (await redis.keys(`*${known}*:result`)).length === 1)
  const [template = ''] = await redis.keys(`*${known}*:result`)
  const key = template.replace(known, jobId)
  await redis.command('SET', key, `2 1 0\n{"jobId":"${jobId}","status":"Failed"}`, 'PX', '60000')
  t.match(await first.quality(jobId), { status: 200, body: { status: 'Completed' } })
  await until(async () => /^1 /m.test(await redis.command('GET', key)))
  t.equal((await second.quality(jobId)).headers.get('cache-status'), 'cdf-job-quality; hit')
  t.match(await first.app.metrics.text(), /redis_lookups_total\{outcome="invalid"\} 1/)
  t.equal(redisLines(first).at(-1), 'invalid value in Redis ignored')
})

t.test('the lease of a dead replica delays a job, and then it is read', { skip }, async (t) => {
  const { redis, services, simulator } = await fleet()
  const [first] = services as [Service]
  const [known, jobId] = [jobIdOf(3), jobIdOf(4)]
  simulator.cdf.addJob(lasting(jobId, 'Running'))
  await first.quality(known)
  await until(async () => (await redis.keys(`*${known}*:result`)).length === 1)
  const [template = ''] = await redis.keys(`*${known}*:result`)
  const lease = template.replace(known, jobId).replace(/result$/, 'lease')
  await redis.command('SET', lease, 'dead', 'PX', '1000')
  t.match(await first.quality(jobId), { status: 200, body: { status: 'Running' } })
  t.equal(simulator.cdf.readsOf(jobId), 1)
})

t.test('a change is heard in time although its message is lost', { skip }, async (t) => {
  const { redis, services, simulator } = await fleet()
  const [first, second] = services as [Service, Service]
  const jobId = jobIdOf(5)
  simulator.cdf.addJob(lasting(jobId, 'Running'))
  const stream = await openEvents(t, `${second.url}/jobs/${jobId}/quality/events`)
  await until(() => stream.events.length === 1)
  // Messages are denied, and everything else works.
  await redis.command('ACL', 'SETUSER', 'cdf-job-quality', '-spublish')
  simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  await until(async () => (await first.quality(jobId)).text.includes('Completed'))
  await until(() => stream.hasEnded())
  t.strictSame(stream.states(), ['Running', 'Completed'])
  await redis.command('ACL', 'SETUSER', 'cdf-job-quality', '+spublish')
})

t.test(
  'while Redis hangs, each replica works alone, and waits for it once',
  { skip },
  async (t) => {
    const { redis, services, simulator } = await fleet()
    const [first, second] = services as [Service, Service]
    const [running, unknown, done] = [jobIdOf(6), jobIdOf(7), jobIdOf(8)]
    simulator.cdf.addJob(lasting(running, 'Running'))
    redis.signal('SIGSTOP')
    await untilLogged(services, 'Redis unavailable')
    const failures = await commandsOf(first, 'failure')
    for (const { quality } of services) {
      t.match(await quality(running), { status: 200, body: { status: 'Running' } })
      t.match(await quality(unknown), { status: 404 })
      t.match(await quality(running), { status: 200 })
    }
    t.equal(await commandsOf(first, 'failure'), failures, 'no command was sent')
    t.equal(simulator.cdf.readsOf(unknown), 2, 'one read for each replica')
    t.match(await first.get('/health/ready'), { status: 200 })

    redis.signal('SIGCONT')
    await untilLogged(services, 'Redis available')
    simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
    t.match(await first.quality(done), { status: 200 })
    await until(async () => (await redis.keys(`*${done}*:result`)).length === 1)
    t.equal((await second.quality(done)).headers.get('cache-status'), 'cdf-job-quality; hit')
  },
)

t.test(
  'watchers miss no change while Redis is killed and restarted, and a replica starts without it',
  { skip },
  async (t) => {
    const { redis, services, simulator, start } = await fleet()
    const jobId = jobIdOf(9)
    simulator.cdf.addJob(lasting(jobId, 'Queued'))
    const streams = await Promise.all(
      services.map(({ url }) => openEvents(t, `${url}/jobs/${jobId}/quality/events`)),
    )
    const all = (state: string) => () => streams.every(({ states }) => states().includes(state))
    await until(all('Queued'))
    const linesBefore = services.map((service) => redisLines(service).length)
    await redis.kill()
    simulator.cdf.addJob(lasting(jobId, 'Running'))
    await until(all('Running'))
    const started = await start()
    await until(() => started.app.lifeCycle.readinessBlockers.size === 0)
    t.match(await started.get('/health/ready'), { status: 200 })
    t.match(await started.quality(jobId), { status: 200, body: { status: 'Running' } })

    await redis.restart()
    await untilLogged(services, 'Redis available')
    await until(() => started.app.fleet.limits.replicas === 3)
    simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
    await until(() => streams.every(({ hasEnded }) => hasEnded()))
    for (const { states } of streams) t.strictSame(states(), ['Queued', 'Running', 'Completed'])
    for (const [index, service] of services.entries())
      t.strictSame(redisLines(service).slice(linesBefore[index]), [
        'Redis unavailable',
        'Redis available',
      ])
  },
)
