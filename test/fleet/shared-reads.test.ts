import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis
/** The tests share three replicas. Each test has its own job. */
const fleet = () => shared ?? Promise.reject(new Error('no Redis'))
const shared = skip ? undefined : startFleet(t, { replicas: 3 })

t.test(
  'a job that one replica has read is a hit on all, also after a restart',
  { skip },
  async (t) => {
    const { services, simulator, start } = await fleet()
    const jobId = jobIdOf(1)
    const [first, second] = services
    simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
    const answer = await first?.quality(jobId)
    t.match(answer, { status: 200, body: { status: 'Completed' } })
    t.equal(answer?.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
    const restarted = await start()
    for (const service of [second, restarted]) {
      const hit = await service?.quality(jobId)
      t.equal(hit?.text, answer?.text)
      t.equal(hit?.headers.get('etag'), answer?.headers.get('etag'))
      t.equal(hit?.headers.get('cache-status'), 'cdf-job-quality; hit')
    }
    t.equal(simulator.cdf.readsOf(jobId), 1)
    await restarted.app.close()
  },
)

t.test('an unknown job is asked for once', { skip }, async (t) => {
  const { services, simulator } = await fleet()
  const jobId = jobIdOf(2)
  for (const { quality } of services) t.match(await quality(jobId), { status: 404 })
  t.equal(simulator.cdf.readsOf(jobId), 1)
})

t.test('concurrent reads on all replicas are one read of CDF', { skip }, async (t) => {
  const { services, simulator } = await fleet()
  const jobId = jobIdOf(3)
  simulator.cdf.addJob(lasting(jobId, 'Running'))
  simulator.cdf.faults.standing = { delayMs: 100 }
  const list = (url: string) => fetch(`${url}/jobs/quality?jobId=${jobId}`)
  const answers = await Promise.all(
    services.flatMap(({ quality, url }) => [quality(jobId), list(url)]),
  )
  simulator.cdf.faults.standing = undefined
  for (const answer of answers) t.equal(answer.status, 200)
  t.equal(simulator.cdf.readsOf(jobId), 1)
})

t.test('watchers on all replicas see each change, with one reader', { skip }, async (t) => {
  const { services, simulator } = await fleet()
  const jobId = jobIdOf(4)
  simulator.cdf.addJob(lasting(jobId, 'Running'))
  const streams = await Promise.all(
    services.map(({ url }) => openEvents(t, `${url}/jobs/${jobId}/quality/events`)),
  )
  await until(() => streams.every(({ events }) => events.length === 1))
  const startedAtMs = Date.now()
  await until(() => simulator.cdf.readsOf(jobId) >= 3)
  simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  await until(() => streams.every(({ hasEnded }) => hasEnded()))
  for (const { states } of streams) t.strictSame(states(), ['Running', 'Completed'])
  const elapsedSeconds = (Date.now() - startedAtMs) / 1000
  t.ok(simulator.cdf.readsOf(jobId) <= 2 + elapsedSeconds, 'at most one read per second')
})
