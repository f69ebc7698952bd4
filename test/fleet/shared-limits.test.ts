import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { greatestConcurrency, recordReads } from '../support/cdf-reads.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import { type Service, startInstance } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

t.test('the replicas share limits and pauses', { skip }, async (t) => {
  const environment = { UPSTREAM_MAX_CONCURRENCY: '5' }
  const { services, simulator, start } = await startFleet(t, { replicas: 3, environment })
  const [first, ...others] = services
  const reads = recordReads(simulator.cdf)

  t.comment('all replicas together have the configured number of calls in flight')
  simulator.cdf.faults.standing = { delayMs: 20 }
  const answers = await Promise.all(
    services.flatMap(({ quality }, replica) =>
      Array.from({ length: 20 }, (_, number) => quality(jobIdOf(100 * replica + number))),
    ),
  )
  for (const answer of answers) t.equal(answer.status, 404)
  t.equal(reads.length, 60)
  t.equal(greatestConcurrency(reads), 5)

  t.comment('after a 429, no replica calls CDF, and a new one does not begin')
  simulator.cdf.faults.standing = { status: 429, headers: { 'retry-after': '30' } }
  t.match(await first?.quality(jobIdOf(1_001)), {
    status: 503,
    body: { code: 'upstream-throttled' },
  })
  const isPaused = async (service: Service) =>
    /_cool_down_seconds [1-9]/.test(await service.app.metrics.text())
  await until(async () => (await Promise.all(others.map(isPaused))).every(Boolean))
  for (const { quality } of [...others, await start()])
    t.match(await quality(jobIdOf(1_002)), { status: 503, body: { code: 'upstream-throttled' } })
  t.equal(reads.length, 61)
})

t.test('an open circuit is open for all replicas', { skip }, async (t) => {
  const { services, simulator } = await startFleet(t)
  const [first, second] = services
  simulator.cdf.faults.standing = { status: 500 }
  for (let number = 0; number < 5; number += 1) await first?.quality(jobIdOf(number))
  await until(async () => /state="open"\} 1/.test((await second?.app.metrics.text()) ?? ''))
  const requests = simulator.cdf.requests.length
  t.match(await second?.quality(), { status: 503, body: { code: 'upstream-unavailable' } })
  t.equal(simulator.cdf.requests.length, requests)
})

t.test('each replica has its share of the budget for polls', { skip }, async (t) => {
  const environment = { UPSTREAM_POLLS_PER_SECOND: '10', UPSTREAM_MAX_CONCURRENCY: '1' }
  const { redis, simulator } = await startFleet(t, { replicas: 1, environment })
  const clock = new FakeClock()
  const shared = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '10000' }
  const { app, get } = await startInstance(t, simulator, { ...environment, ...shared }, clock)
  t.equal(app.fleet.limits.replicas, 2)
  const ids = [1, 2, 3].map(jobIdOf)
  for (const jobId of ids) simulator.cdf.addJob(lasting(jobId, 'Running'))
  get(`/jobs/quality/events?${ids.map((jobId) => `jobId=${jobId}`).join('&')}`)
  const { requests } = simulator.cdf
  /** Removes the results, too: Redis has another clock, for which they stay fresh. */
  const untilReads = async (count: number) => {
    await until(() => requests.length === count)
    await until(async () => (await redis.keys('*:lease')).length === 0)
    for (const key of await redis.keys('*:result')) await redis.command('DEL', key)
  }
  await untilReads(3)
  await until(() => ids.every((jobId) => app.jobPoller.latest(jobId as JobId)))
  for (const [ms, expected] of [
    [1_000, 4],
    [199, 4],
    [1, 5],
    [200, 6],
  ] as const) {
    clock.advance(ms)
    await untilReads(expected)
    t.equal(requests.length, expected)
  }
})
