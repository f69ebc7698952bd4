import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

t.test(
  'a job that one replica has read is a hit on all, also after a restart',
  { skip },
  async (t) => {
    const { services, simulator, start } = await startFleet(t)
    const [first, second] = services
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const answer = await first?.quality()
    t.match(answer, { status: 200, body: { status: 'Completed' } })
    t.equal(answer?.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
    for (const service of [second, await start()]) {
      const shared = await service?.quality()
      t.equal(shared?.text, answer?.text)
      t.equal(shared?.headers.get('etag'), answer?.headers.get('etag'))
      t.equal(shared?.headers.get('cache-status'), 'cdf-job-quality; hit')
    }
    t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  },
)

t.test('an unknown job is asked for once', { skip }, async (t) => {
  const { services, simulator } = await startFleet(t)
  for (const { quality } of services) t.match(await quality(), { status: 404 })
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
})

t.test('concurrent reads on all replicas are one read of CDF', { skip }, async (t) => {
  const { services, simulator } = await startFleet(t, { replicas: 3 })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.standing = { delayMs: 100 }
  const answers = await Promise.all(services.map(({ quality }) => quality()))
  for (const answer of answers) t.match(answer, { status: 200, body: { status: 'Running' } })
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
})

t.test('watchers on all replicas see each change, with one reader', { skip }, async (t) => {
  const { services, simulator } = await startFleet(t, { replicas: 3 })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const streams = await Promise.all(
    services.map(({ url }) => openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`)),
  )
  await until(() => streams.every(({ events }) => events.length === 1))
  const startedAtMs = Date.now()
  await until(() => simulator.cdf.readsOf(JOB_ID) >= 3)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await until(() => streams.every(({ hasEnded }) => hasEnded()))
  for (const { states } of streams) t.strictSame(states(), ['Running', 'Completed'])
  const elapsedSeconds = (Date.now() - startedAtMs) / 1000
  t.ok(simulator.cdf.readsOf(JOB_ID) <= 2 + elapsedSeconds, 'at most one read per second')
})
