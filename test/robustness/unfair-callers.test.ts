import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { BACKGROUND } from '../../src/cdf/resilience/fair-queue.ts'
import { EventLoopLoad } from '../../src/limits/event-loop-load.ts'
import { openEvents } from '../support/event-stream.ts'
import { startFakeTimeService } from '../support/fake-time-service.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { holdRequests } from '../support/held-requests.ts'
import { settle, until } from '../support/wait.ts'

// On a slow machine, the service would reject reads.
Object.defineProperty(EventLoopLoad.prototype, 'isOverloaded', { get: () => false })

/** The default of UPSTREAM_MAX_CONCURRENCY. */
const SLOTS = 8

/** The ids of `count` jobs from number `first` on. */
const idsOf = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => jobIdOf(first + index))
const queryOf = (ids: readonly string[]) => ids.map((jobId) => `jobId=${jobId}`).join('&')
const listOf = (ids: readonly string[]) => `/jobs/quality?${queryOf(ids)}`
const eventsOf = (ids: readonly string[]) => `/jobs/quality/events?${queryOf(ids)}`

/** The service with a fake clock, callers by name, the reads that have begun, and the polled jobs in order. */
async function start(t: Test, environment: Record<string, string> = {}) {
  const service = await startFakeTimeService(t, {
    AUTH_MODE: 'jwt',
    // Held requests must not time out on a slow machine.
    UPSTREAM_ATTEMPT_TIMEOUT_MS: '60000',
    UPSTREAM_DEADLINE_MS: '120000',
    ...environment,
  })
  const { app, simulator } = service
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  let reads = 0
  const polled: string[] = []
  const read = app.jobReader.read.bind(app.jobReader)
  app.jobReader.read = (jobId, context) => {
    reads += 1
    if (context.callerKey === BACKGROUND) polled.push(jobId)
    return read(jobId, context)
  }
  let seen = 0
  /** Waits until `count` more reads than at the last call have begun, and their calls are queued. */
  const begun = async (count: number) => {
    await until(() => reads >= seen + count)
    seen = reads
    await settle()
  }
  const headersOf = async (sub: string) => ({
    authorization: `Bearer ${await simulator.identityProvider.signCallerToken({ sub })}`,
  })
  return { ...service, begun, polled, headersOf }
}

t.test('serves another caller next while six lists of 100 unknown jobs are read', async (t) => {
  const { get, quality, simulator, begun, headersOf } = await start(t)
  const [many, other] = [await headersOf('many'), await headersOf('other')]
  const requests = holdRequests(simulator)
  const lists = Array.from({ length: 6 }, (_, number) =>
    get(listOf(idsOf(100 * number, 100)), many),
  )
  await begun(600)
  const reading = quality('7', other)
  await begun(1)
  await requests.arrived(SLOTS)
  await requests.release(2)
  t.ok(requests.jobIds.includes('7'), 'at most one queued call of the first caller is before it')
  requests.releaseAll()
  t.equal((await reading).status, 404)
  await Promise.all(lists)
})

t.test('rejects calls of the caller with most waiting calls when the queue is full', async (t) => {
  const { get, quality, simulator, begun, headersOf } = await start(t)
  const [many, other] = [await headersOf('many'), await headersOf('other')]
  simulator.cdf.addJob(lasting('7', 'Running'))
  const requests = holdRequests(simulator)
  const lists = Array.from({ length: 6 }, (_, number) =>
    get(listOf(idsOf(100 * number, 100)), many),
  )
  await begun(600)
  const reading = quality('7', other)
  await begun(1)
  requests.releaseAll()
  t.match(await reading, { status: 200, body: { status: 'Running' } })
  const codes = (await Promise.all(lists)).flatMap(({ body }) =>
    (body as { items: { problem: { code: string } }[] }).items.map(({ problem }) => problem.code),
  )
  const overloaded = codes.filter((code) => code === 'overloaded').length
  t.equal(overloaded, 600 - SLOTS - 256 + 1, 'the queue holds 256 calls, one of them is replaced')
  t.equal(codes.filter((code) => code === 'job-not-found').length, 600 - overloaded)
})

t.test('serves another caller next while three streams of 100 jobs begin', async (t) => {
  const { url, quality, simulator, begun, headersOf } = await start(t)
  const [many, other] = [await headersOf('many'), await headersOf('other')]
  for (const jobId of idsOf(0, 300)) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const requests = holdRequests(simulator)
  for (const first of [0, 100, 200]) await openEvents(t, url + eventsOf(idsOf(first, 100)), many)
  await begun(300)
  const reading = quality('7', other)
  await begun(1)
  await requests.arrived(SLOTS)
  await requests.release(2)
  t.ok(requests.jobIds.includes('7'))
  requests.releaseAll()
  t.equal((await reading).status, 404)
})

t.test('serves a call that two callers wait for at the turn of either', async (t) => {
  const { get, quality, simulator, begun, headersOf } = await start(t)
  const [many, other] = [await headersOf('many'), await headersOf('other')]
  const requests = holdRequests(simulator)
  const ids = idsOf(0, 100)
  const list = get(listOf(ids), many)
  await begun(100)
  const last = ids.at(-1) ?? ''
  const reading = quality(last, other)
  await begun(1)
  await requests.arrived(SLOTS)
  await requests.release(2)
  t.ok(requests.jobIds.includes(last))
  requests.releaseAll()
  t.equal((await reading).headers.get('cache-status'), 'cdf-job-quality; fwd=miss; collapsed')
  await list
  t.equal(simulator.cdf.readsOf(last), 1)
})

t.test('gives background polls the smallest share of the reads', async (t) => {
  const { url, get, simulator, advance, clock, begun, headersOf } = await start(t)
  const [many, other] = [await headersOf('many'), await headersOf('other')]
  const watched = idsOf(0, 100)
  for (const jobId of watched) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const stream = await openEvents(t, url + eventsOf(watched), many)
  await until(() => stream.events.length === 100)
  await advance(1_000)
  await begun(100)
  const requests = holdRequests(simulator)
  clock.advance(10_000)
  await requests.arrived(SLOTS)
  const ids = idsOf(100, 40)
  const list = get(listOf(ids), other)
  await begun(ids.length)
  await requests.release(40)
  const polls = requests.jobIds.slice(SLOTS).filter((jobId) => !ids.includes(jobId))
  t.equal(polls.length, 8, 'one in five')
  requests.releaseAll()
  await list
})

t.test('polls the jobs of all callers within UPSTREAM_POLLS_PER_SECOND, and fairly', async (t) => {
  const { url, simulator, advance, polled, headersOf } = await start(t, {
    UPSTREAM_MAX_QUEUE: '1000',
  })
  const [one, two, other] = [await headersOf('1'), await headersOf('2'), await headersOf('other')]
  for (const jobId of [...idsOf(0, 300), '7']) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const streams = [
    await openEvents(t, url + eventsOf(idsOf(0, 100)), one),
    await openEvents(t, url + eventsOf(idsOf(100, 100)), one),
    await openEvents(t, url + eventsOf(idsOf(200, 100)), two),
    await openEvents(t, `${url}/jobs/7/quality/events`, other),
  ]
  await until(() => streams.reduce((sum, { events }) => sum + events.length, 0) === 301)
  const polls: number[] = []
  const pollsOfOther: number[] = []
  for (let second = 1; second <= 20; second += 1) {
    const [before, requests] = [polled.length, simulator.cdf.requests.length]
    for (let step = 0; step < 20; step += 1) await advance(50)
    const jobIds = polled.slice(before)
    polls.push(jobIds.length)
    pollsOfOther.push(jobIds.filter((jobId) => jobId === '7').length)
    t.ok(simulator.cdf.requests.length - requests <= 20)
  }
  t.equal(Math.max(...polls), 20, `polls per second: ${polls}`)
  const first = pollsOfOther.slice(0, 11).reduce((sum, count) => sum + count)
  t.ok(first >= 9, `polls of the single job per second: ${pollsOfOther}`)
})
