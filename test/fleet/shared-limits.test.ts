import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { greatestConcurrency, recordReads } from '../support/cdf-reads.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import type { Service } from '../support/start-service.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

t.test('after a 429, no replica calls CDF, and a new one does not begin', { skip }, async (t) => {
  const { services, simulator, start } = await startFleet(t, { replicas: 3 })
  const [first, ...others] = services
  simulator.cdf.faults.next({ status: 429, headers: { 'retry-after': '30' } })
  t.match(await first?.quality(), { status: 503, body: { code: 'upstream-throttled' } })
  const isPaused = async (service: Service) =>
    /_cool_down_seconds [1-9]/.test(await service.app.metrics.text())
  await until(async () => (await Promise.all(others.map(isPaused))).every(Boolean))
  for (const { quality } of [...others, await start()])
    t.match(await quality(jobIdOf(1)), { status: 503, body: { code: 'upstream-throttled' } })
  t.equal(simulator.cdf.requests.length, 1)
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

t.test(
  'all replicas together have the configured number of calls in flight',
  { skip },
  async (t) => {
    const environment = { UPSTREAM_MAX_CONCURRENCY: '5' }
    const { services, simulator } = await startFleet(t, { replicas: 3, environment })
    const reads = recordReads(simulator.cdf)
    simulator.cdf.faults.standing = { delayMs: 20 }
    const answers = await Promise.all(
      services.flatMap(({ quality }, replica) =>
        Array.from({ length: 20 }, (_, number) => quality(jobIdOf(100 * replica + number))),
      ),
    )
    for (const answer of answers) t.equal(answer.status, 404)
    t.equal(reads.length, 60)
    t.equal(greatestConcurrency(reads), 5)
  },
)

t.test('each replica has its share of the budget for polls', { skip }, async (t) => {
  const environment = { UPSTREAM_POLLS_PER_SECOND: '10', UPSTREAM_MAX_CONCURRENCY: '1' }
  const { redis, simulator } = await startFleet(t, { replicas: 1, environment })
  const { app, clock, get } = await startService(t, {
    simulator,
    clock: 'fake',
    environment: { ...environment, REDIS_URL: redis.url },
  })
  t.equal(app.fleet.limits.replicas, 2)
  const ids = [1, 2, 3].map(jobIdOf)
  for (const jobId of ids) simulator.cdf.addJob(lasting(jobId, 'Running'))
  get(`/jobs/quality/events?${ids.map((jobId) => `jobId=${jobId}`).join('&')}`)
  const { requests } = simulator.cdf
  await until(() => requests.length === 3 && app.jobPoller.sizes.jobs === 3)
  await until(() => ids.every((jobId) => app.jobPoller.latest(jobId as JobId)))
  for (const [ms, expected] of [
    [1_000, 4],
    [199, 4],
    [1, 5],
    [200, 6],
  ] as const) {
    clock.advance(ms)
    await until(() => requests.length === expected)
    t.equal(requests.length, expected)
  }
})
