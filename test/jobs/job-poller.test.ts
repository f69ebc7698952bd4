import t from 'tap'
import { parseCdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { type CachedResponse, toCachedResponse } from '../../src/jobs/cached-response.ts'
import { JobPoller, type JobSubscriber } from '../../src/jobs/job-poller.ts'
import type { ReadListener } from '../../src/jobs/job-quality-reader.ts'
import { normalizeJob } from '../../src/jobs/normalize-job.ts'
import type { ReadResult } from '../../src/jobs/read-result.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import type { ProblemCode } from '../../src/problems/problem-types.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { fixtureText, JOB_ID } from '../support/fixtures.ts'

const ID = JOB_ID as JobId
const IDS = { requestId: 'caller', traceparent: 't', callerKey: 'c' }

type State = 'queued' | 'running' | 'completed' | ProblemCode | Promise<ReadResult>

/** A poller over a reader that returns `cdf.state`. */
function setUp({ random = 0, freshForMs = 1000 } = {}) {
  const clock = new FakeClock()
  const firstReadAtMs = clock.nowMs
  const responseFor = (state: string): CachedResponse => {
    const job = parseCdfJob(fixtureText(`estimate-${state}.json`))
    if (!job) throw new Error(state)
    return toCachedResponse(normalizeJob(ID, job).quality, clock.nowMs, firstReadAtMs, freshForMs)
  }
  const resultFor = (state: Exclude<State, Promise<ReadResult>>): ReadResult =>
    state === 'queued' || state === 'running' || state === 'completed'
      ? { response: responseFor(state), outcome: 'stale', collapsed: false }
      : { problem: new ProblemError(state), outcome: 'stale', collapsed: false }
  const cdf: {
    state: State
    reads: {
      jobId: JobId
      atMs: number
      requestId: string
      signal: AbortSignal
      maxSharedAgeMs: number | undefined
    }[]
    /** What the reader does with the result of a read of CDF. */
    publish: ReadListener['onRead']
  } = { state: 'running', reads: [], publish: () => {} }
  const poller = new JobPoller({
    reader: {
      subscribe: (listener) => {
        cdf.publish = listener.onRead
        return () => {}
      },
      read: (jobId, { requestId, signal, maxSharedAgeMs }) => {
        const { state } = cdf
        const atMs = clock.nowMs - firstReadAtMs
        cdf.reads.push({ jobId, atMs, requestId, signal, maxSharedAgeMs })
        if (!(state instanceof Promise)) return resultFor(state)
        return state.then((result) => {
          if (!signal.aborted) cdf.publish(jobId, result)
          return result
        })
      },
    },
    newRequestIds: () => ({ requestId: 'poller', traceparent: 't' }),
    pollsPerSecond: () => 20,
    now: clock.now,
    schedule: clock.schedule,
    random: () => random,
  })
  /** A subscriber that records each update as its status or problem code. */
  const subscriber = (onUpdate = () => {}) => {
    const updates: string[] = []
    const self: JobSubscriber & { updates: string[] } = {
      updates,
      onUpdate: (_jobId, { response, problem }) => {
        updates.push(response ? JSON.parse(response.body).status : problem.code)
        onUpdate()
      },
      onEnd: () => updates.push('end'),
    }
    return self
  }
  return { clock, cdf, resultFor, poller, subscriber }
}

t.test('delivers the first state immediately, then each new state', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const watcher = subscriber()
  cdf.state = 'queued'
  poller.subscribe(ID, watcher, IDS)
  t.strictSame(watcher.updates, ['Queued'])
  clock.advance(1_000)
  t.strictSame(watcher.updates, ['Queued'], 'an unchanged state is not delivered')
  cdf.state = 'running'
  clock.advance(1_000)
  cdf.state = 'completed'
  clock.advance(1_000)
  t.strictSame(watcher.updates, ['Queued', 'Running', 'Completed', 'end'])
  clock.advance(60_000)
  t.equal(cdf.reads.length, 4, 'a done job is not polled')
  t.equal(clock.timers.size, 0)
})

t.test('runs one loop per job, whatever the number of subscribers', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const crowd = Array.from({ length: 1_000 }, () => subscriber())
  for (const watcher of crowd) poller.subscribe(ID, watcher, IDS)
  t.ok(crowd.every(({ updates }) => updates.join() === 'Running'))
  clock.advance(5_000)
  t.equal(cdf.reads.length, 6)
  cdf.state = 'completed'
  clock.advance(1_000)
  t.ok(crowd.every(({ updates }) => updates.join() === 'Running,Completed,end'))
})

t.test('polls every second at first, and less often as the job gets older', async (t) => {
  for (const [random, first, last] of [
    [0, 1_000, 4_545],
    [0.999_999, 1_100, 5_000],
  ] as const) {
    const { clock, cdf, poller, subscriber } = setUp({ random })
    poller.subscribe(ID, subscriber(), IDS)
    clock.advance(120_000)
    const gaps = cdf.reads
      .slice(1)
      .map(({ atMs }, index) => Math.round(atMs - (cdf.reads[index]?.atMs ?? 0)))
    t.equal(gaps[0], first)
    t.equal(gaps.at(-1), last)
    t.strictSame(
      gaps,
      gaps.toSorted((a, b) => a - b),
      'intervals never shrink',
    )
    t.ok(cdf.reads.length < 45, `${cdf.reads.length} reads in two minutes`)
  }
})

t.test('keeps the age of a job between subscriptions', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const first = subscriber()
  poller.subscribe(ID, first, IDS)
  clock.advance(60_000)
  poller.unsubscribe(ID, first)
  const before = cdf.reads.length
  poller.subscribe(ID, subscriber(), IDS)
  clock.advance(4_000)
  t.equal(cdf.reads.length, before + 1)
})

t.test('reads a job earlier for a second caller with a shorter interval', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const jobIds = Array.from({ length: 300 }, (_, number) => `${number}` as JobId)
  const many = subscriber()
  for (const jobId of jobIds) poller.subscribe(jobId, many, { ...IDS, callerKey: 'many' })
  clock.advance(20_000)
  const last = cdf.reads.at(-1)?.jobId as JobId
  const readsOfLast = () => cdf.reads.filter(({ jobId }) => jobId === last).length
  const before = readsOfLast()
  clock.advance(5_000)
  t.equal(readsOfLast(), before, 'the budget stretches the interval')
  const other = subscriber()
  poller.subscribe(last, other, { ...IDS, callerKey: 'other' })
  t.strictSame(other.updates, ['Running'])
  for (let times = 0; times < 10; times += 1) {
    poller.subscribe(last, subscriber(), { ...IDS, callerKey: 'other' })
    clock.advance(300)
  }
  t.equal(readsOfLast(), before + 1, 'further subscriptions do not postpone the read')
})

t.test('does not read while the cached response is fresh', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp({ freshForMs: 30_000 })
  poller.subscribe(ID, subscriber(), IDS)
  clock.advance(29_999)
  t.equal(cdf.reads.length, 1)
  clock.advance(1)
  t.equal(cdf.reads.length, 2)
})

t.test('waits for the Retry-After of a problem', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const watcher = subscriber()
  poller.subscribe(ID, watcher, IDS)
  cdf.state = Promise.resolve({
    problem: new ProblemError('upstream-throttled', { retryAfterSeconds: 20 }),
    outcome: 'stale',
    collapsed: false,
  })
  clock.advance(1_000)
  await cdf.state
  cdf.state = 'running'
  clock.advance(19_999)
  t.equal(cdf.reads.length, 2)
  clock.advance(1)
  t.strictSame(
    watcher.updates,
    ['Running', 'upstream-throttled', 'Running'],
    'the recovery is delivered',
  )
})

t.test('ends with a permanent problem, not with a transient one', async (t) => {
  for (const [code, isOver] of [
    ['job-not-found', true],
    ['upstream-rejected', true],
    ['upstream-forbidden', true],
    ['upstream-auth-failed', true],
    ['identity-provider-rejected', true],
    ['upstream-invalid-response', true],
    ['upstream-error', false],
    ['upstream-timeout', false],
    ['upstream-unavailable', false],
    ['identity-provider-unavailable', false],
    ['overloaded', false],
  ] as const) {
    const { clock, cdf, poller, subscriber } = setUp()
    const watcher = subscriber()
    cdf.state = code
    poller.subscribe(ID, watcher, IDS)
    t.strictSame(watcher.updates, isOver ? [code, 'end'] : [code], code)
    t.equal(clock.timers.size, isOver ? 0 : 1, code)
  }
})

t.test('stops with its last subscriber and aborts its own read', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const [one, other] = [subscriber(), subscriber()]
  cdf.state = Promise.withResolvers<ReadResult>().promise
  poller.subscribe(ID, one, IDS)
  poller.subscribe(ID, other, IDS)
  poller.unsubscribe(ID, one)
  poller.unsubscribe(ID, one)
  t.notOk(cdf.reads[0]?.signal.aborted)
  poller.unsubscribe(ID, other)
  t.ok(cdf.reads[0]?.signal.aborted)
  clock.advance(60_000)
  t.equal(cdf.reads.length, 2, 'the second subscriber has joined the first read')
})

t.test('starts again for a subscriber that comes after the last one has left', async (t) => {
  const { cdf, poller, subscriber, resultFor } = setUp()
  const slow = Promise.withResolvers<ReadResult>()
  const [early, late] = [subscriber(), subscriber()]
  cdf.state = slow.promise
  poller.subscribe(ID, early, IDS)
  poller.unsubscribe(ID, early)
  cdf.state = 'running'
  poller.subscribe(ID, late, IDS)
  slow.resolve(resultFor('queued'))
  await slow.promise
  t.strictSame([early.updates, late.updates], [[], ['Running']])
})

t.test('delivers reads of other callers, and counts them as its own', async (t) => {
  const { clock, cdf, resultFor, poller, subscriber } = setUp()
  const watcher = subscriber()
  cdf.state = 'queued'
  poller.subscribe(ID, watcher, IDS)
  clock.advance(900)
  cdf.publish(ID, resultFor('running'))
  t.strictSame(watcher.updates, ['Queued', 'Running'])
  clock.advance(900)
  t.equal(cdf.reads.length, 1)
  cdf.publish('1' as JobId, resultFor('completed'))
  cdf.publish(ID, resultFor('completed'))
  t.strictSame(watcher.updates, ['Queued', 'Running', 'Completed', 'end'])
})

t.test('uses the ids of the request for the first read, and new ids for later reads', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  poller.subscribe(ID, subscriber(), IDS)
  clock.advance(2_000)
  t.strictSame(
    cdf.reads.map(({ requestId }) => requestId),
    ['caller', 'poller', 'poller'],
  )
})

t.test('lets subscribers leave and join during an update', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  const last = subscriber()
  const leaving = subscriber(() => {
    poller.unsubscribe(ID, leaving)
    poller.subscribe(ID, last, IDS)
  })
  cdf.state = 'queued'
  poller.subscribe(ID, leaving, IDS)
  cdf.state = 'completed'
  clock.advance(1_000)
  t.strictSame(leaving.updates, ['Queued'])
  t.strictSame(last.updates, ['Queued', 'Completed', 'end'])
})

t.test('turns a bug into an internal-error that ends the subscription', async (t) => {
  const { cdf, poller, subscriber } = setUp()
  const watcher = subscriber()
  cdf.state = Promise.reject(new TypeError('a bug'))
  poller.subscribe(ID, watcher, IDS)
  await new Promise(setImmediate)
  t.strictSame(watcher.updates, ['internal-error', 'end'])
})

t.test('ends subscriptions while draining, but delivers a first state', async (t) => {
  const { clock, cdf, poller, subscriber, resultFor } = setUp()
  const [early, waiting, late] = [subscriber(), subscriber(), subscriber()]
  poller.subscribe(ID, early, IDS)
  const slow = Promise.withResolvers<ReadResult>()
  cdf.state = slow.promise
  poller.subscribe('2' as JobId, waiting, IDS)
  poller.drain()
  t.strictSame(early.updates, ['Running', 'end'])
  t.strictSame(waiting.updates, [])
  slow.resolve(resultFor('queued'))
  await slow.promise
  t.strictSame(waiting.updates, ['Queued', 'end'])
  cdf.state = 'running'
  poller.subscribe(ID, late, IDS)
  t.strictSame(late.updates, ['Running', 'end'])
  t.equal(clock.timers.size, 0)
})

t.test('reads only if no replica has read during most of the interval', async (t) => {
  const { clock, cdf, poller, subscriber } = setUp()
  poller.subscribe(ID, subscriber(), IDS)
  clock.advance(20_000)
  const [first, second] = cdf.reads
  t.equal(first?.maxSharedAgeMs, undefined, 'the first read is for the subscriber')
  t.equal(second?.maxSharedAgeMs, 900)
  const last = cdf.reads.at(-1)
  const intervalMs = (last?.atMs ?? 0) - (cdf.reads.at(-2)?.atMs ?? 0)
  t.ok(intervalMs > 1_500)
  t.equal(Math.round(last?.maxSharedAgeMs ?? 0), Math.round(0.9 * intervalMs))
})

t.test('a read of another replica takes the place of the next read', async (t) => {
  const { clock, cdf, poller, subscriber, resultFor } = setUp()
  const watcher = subscriber()
  cdf.state = 'queued'
  poller.subscribe(ID, watcher, IDS)
  clock.advance(900)
  cdf.publish(ID, { ...resultFor('running'), outcome: 'hit' })
  t.strictSame(watcher.updates, ['Queued', 'Running'])
  clock.advance(999)
  t.equal(cdf.reads.length, 1)
  clock.advance(1)
  t.equal(cdf.reads.length, 2)
})

t.test('jobs that other replicas read do not use up the budget of this one', async (t) => {
  const { clock, cdf, poller, subscriber, resultFor } = setUp()
  const ids = Array.from({ length: 60 }, (_, number) => String(number) as JobId)
  for (const id of ids) poller.subscribe(id, subscriber(), IDS)
  const latestMaxAgeMs = () => Math.round(cdf.reads.at(-1)?.maxSharedAgeMs ?? 0)
  clock.advance(5_000)
  t.equal(latestMaxAgeMs(), 2_700, '60 reads per second are demanded, and 20 allowed')
  for (let times = 0; times < 40; times += 1) {
    clock.advance(100)
    for (const id of ids) cdf.publish(id, { ...resultFor('running'), outcome: 'hit' })
  }
  const { length } = cdf.reads
  clock.advance(1_000)
  t.ok(cdf.reads.length > length)
  t.equal(latestMaxAgeMs(), 900)
})
