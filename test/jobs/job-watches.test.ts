import t from 'tap'
import { parseCdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobAnswer } from '../../src/jobs/job-answer.ts'
import { toJobAnswer } from '../../src/jobs/job-answer.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import type { Watcher } from '../../src/jobs/job-watches.ts'
import { JobWatches } from '../../src/jobs/job-watches.ts'
import { normalizeJob } from '../../src/jobs/normalize-job.ts'
import { ProxyError } from '../../src/problem.ts'
import type { ProblemCode } from '../../src/problem-table.ts'
import { FakeClock, fixtureText, JOB_ID } from '../helper.ts'

const ID = JOB_ID as JobId
const ORIGIN = { requestId: 'caller', traceparent: 't' }

type State = 'queued' | 'running' | 'completed' | ProblemCode | Promise<JobRead>

/** Watches over a reader that says what the test puts in `says`. */
function setUp({ random = 0, freshForMs = 1000 } = {}) {
  const clock = new FakeClock()
  const firstSeenMs = clock.nowMs
  const answer = (state: string): JobAnswer => {
    const job = parseCdfJob(fixtureText(`estimate-${state}.json`))
    if (!job) throw new Error(state)
    return toJobAnswer(normalizeJob(ID, job).quality, clock.nowMs, firstSeenMs, freshForMs)
  }
  const cdf: { says: State; reads: { atMs: number; requestId: string; signal: AbortSignal }[] } = {
    says: 'running',
    reads: [],
  }
  const readOf = (state: Exclude<State, Promise<JobRead>>): JobRead =>
    state === 'queued' || state === 'running' || state === 'completed'
      ? { answer: answer(state), outcome: 'stale', collapsed: false }
      : { problem: new ProxyError(state), outcome: 'stale', collapsed: false }
  const reader = {
    onRead: (_jobId: JobId, _read: JobRead) => {},
    read: (_jobId: JobId, context: () => { requestId: string; signal: AbortSignal }) => {
      const { requestId, signal } = context()
      cdf.reads.push({ atMs: clock.nowMs - firstSeenMs, requestId, signal })
      return cdf.says instanceof Promise ? cdf.says : readOf(cdf.says)
    },
  }
  const watches = new JobWatches({
    reader,
    newOrigin: () => ({ requestId: 'watch', traceparent: 't' }),
    now: clock.now,
    after: clock.after,
    random: () => random,
  })
  /** A watcher and what it was told, each state as its status or problem code. */
  const watcher = (onTold = () => {}) => {
    const told: string[] = []
    const self: Watcher & { heard: string[] } = {
      heard: told,
      told: (_jobId, { answer, problem }) => {
        told.push(answer ? JSON.parse(answer.body.toString()).status : problem.code)
        onTold()
      },
      ended: () => told.push('end'),
    }
    return self
  }
  return { clock, cdf, reader, readOf, watches, watcher }
}

t.test('tells the first state at once, and then each other one', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const somebody = watcher()
  cdf.says = 'queued'
  watches.watch(ID, somebody, ORIGIN)
  t.strictSame(somebody.heard, ['Queued'])
  clock.advance(1_000)
  t.strictSame(somebody.heard, ['Queued'], 'the same state is told once')
  cdf.says = 'running'
  clock.advance(1_000)
  cdf.says = 'completed'
  clock.advance(1_000)
  t.strictSame(somebody.heard, ['Queued', 'Running', 'Completed', 'end'])
  clock.advance(60_000)
  t.equal(cdf.reads.length, 4, 'nobody asks for a done job')
  t.equal(clock.timers.size, 0)
})

t.test('has one loop for each job, whatever the number of watchers', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const crowd = Array.from({ length: 1_000 }, () => watcher())
  for (const somebody of crowd) watches.watch(ID, somebody, ORIGIN)
  t.ok(crowd.every(({ heard }) => heard.join() === 'Running'))
  clock.advance(5_000)
  t.equal(cdf.reads.length, 6)
  cdf.says = 'completed'
  clock.advance(1_000)
  t.ok(crowd.every(({ heard }) => heard.join() === 'Running,Completed,end'))
})

t.test('asks each second at first, and more and more seldom as the job gets older', async (t) => {
  for (const [random, first, last] of [
    [0, 1_000, 4_545],
    [0.999_999, 1_100, 5_000],
  ] as const) {
    const { clock, cdf, watches, watcher } = setUp({ random })
    watches.watch(ID, watcher(), ORIGIN)
    clock.advance(120_000)
    const gaps = cdf.reads
      .slice(1)
      .map(({ atMs }, index) => Math.round(atMs - (cdf.reads[index]?.atMs ?? 0)))
    t.equal(gaps[0], first)
    t.equal(gaps.at(-1), last)
    t.strictSame(
      gaps,
      gaps.toSorted((a, b) => a - b),
      'never sooner than before',
    )
    t.ok(cdf.reads.length < 45, `${cdf.reads.length} reads in two minutes`)
  }
})

t.test('remembers the age of a job from watch to watch', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const first = watcher()
  watches.watch(ID, first, ORIGIN)
  clock.advance(60_000)
  watches.unwatch(ID, first)
  const before = cdf.reads.length
  watches.watch(ID, watcher(), ORIGIN)
  clock.advance(4_000)
  t.equal(cdf.reads.length, before + 1)
})

t.test('does not ask while the cache would answer', async (t) => {
  const { clock, cdf, watches, watcher } = setUp({ freshForMs: 30_000 })
  watches.watch(ID, watcher(), ORIGIN)
  clock.advance(29_999)
  t.equal(cdf.reads.length, 1)
  clock.advance(1)
  t.equal(cdf.reads.length, 2)
})

t.test('waits as long as a problem asks it to', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const somebody = watcher()
  watches.watch(ID, somebody, ORIGIN)
  cdf.says = Promise.resolve({
    problem: new ProxyError('upstream-throttled', { retryAfterSeconds: 20 }),
    outcome: 'stale',
    collapsed: false,
  })
  clock.advance(1_000)
  await cdf.says
  cdf.says = 'running'
  clock.advance(19_999)
  t.equal(cdf.reads.length, 2)
  clock.advance(1)
  t.strictSame(
    somebody.heard,
    ['Running', 'upstream-throttled', 'Running'],
    'and tells that it has passed',
  )
})

t.test('ends with a problem that does not pass, and with no other', async (t) => {
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
    const { clock, cdf, watches, watcher } = setUp()
    const somebody = watcher()
    cdf.says = code
    watches.watch(ID, somebody, ORIGIN)
    t.strictSame(somebody.heard, isOver ? [code, 'end'] : [code], code)
    t.equal(clock.timers.size, isOver ? 0 : 1, code)
  }
})

t.test('stops with its last watcher, and ends its own read', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const [one, other] = [watcher(), watcher()]
  cdf.says = Promise.withResolvers<JobRead>().promise
  watches.watch(ID, one, ORIGIN)
  watches.watch(ID, other, ORIGIN)
  watches.unwatch(ID, one)
  watches.unwatch(ID, one)
  t.notOk(cdf.reads[0]?.signal.aborted)
  watches.unwatch(ID, other)
  t.ok(cdf.reads[0]?.signal.aborted)
  clock.advance(60_000)
  t.equal(cdf.reads.length, 1)
})

t.test('begins anew for whoever comes after the last watcher has left', async (t) => {
  const { cdf, watches, watcher, readOf } = setUp()
  const slow = Promise.withResolvers<JobRead>()
  const [early, late] = [watcher(), watcher()]
  cdf.says = slow.promise
  watches.watch(ID, early, ORIGIN)
  watches.unwatch(ID, early)
  cdf.says = 'running'
  watches.watch(ID, late, ORIGIN)
  slow.resolve(readOf('queued'))
  await slow.promise
  t.strictSame([early.heard, late.heard], [[], ['Running']])
})

t.test('tells what others have read, and counts it as its own read', async (t) => {
  const { clock, cdf, reader, readOf, watches, watcher } = setUp()
  const somebody = watcher()
  cdf.says = 'queued'
  watches.watch(ID, somebody, ORIGIN)
  clock.advance(900)
  reader.onRead(ID, readOf('running'))
  t.strictSame(somebody.heard, ['Queued', 'Running'])
  clock.advance(900)
  t.equal(cdf.reads.length, 1)
  reader.onRead('1' as JobId, readOf('completed'))
  reader.onRead(ID, readOf('completed'))
  t.strictSame(somebody.heard, ['Queued', 'Running', 'Completed', 'end'])
})

t.test('goes to CDF as its caller at first, and under ids of its own after', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  watches.watch(ID, watcher(), ORIGIN)
  clock.advance(2_000)
  t.strictSame(
    cdf.reads.map(({ requestId }) => requestId),
    ['caller', 'watch', 'watch'],
  )
})

t.test('lets a watcher leave, or another one come, while it tells', async (t) => {
  const { clock, cdf, watches, watcher } = setUp()
  const last = watcher()
  const leaving = watcher(() => {
    watches.unwatch(ID, leaving)
    watches.watch(ID, last, ORIGIN)
  })
  cdf.says = 'queued'
  watches.watch(ID, leaving, ORIGIN)
  cdf.says = 'completed'
  clock.advance(1_000)
  t.strictSame(leaving.heard, ['Queued'])
  t.strictSame(last.heard, ['Queued', 'Completed', 'end'])
})

t.test('takes a bug for a problem that ends the watch', async (t) => {
  const { cdf, watches, watcher } = setUp()
  const somebody = watcher()
  cdf.says = Promise.reject(new TypeError('a bug'))
  watches.watch(ID, somebody, ORIGIN)
  await new Promise(setImmediate)
  t.strictSame(somebody.heard, ['internal-error', 'end'])
})

t.test('ends everything while draining, but tells a first state', async (t) => {
  const { clock, cdf, watches, watcher, readOf } = setUp()
  const [early, waiting, late] = [watcher(), watcher(), watcher()]
  watches.watch(ID, early, ORIGIN)
  const slow = Promise.withResolvers<JobRead>()
  cdf.says = slow.promise
  watches.watch('2' as JobId, waiting, ORIGIN)
  watches.end()
  t.strictSame(early.heard, ['Running', 'end'])
  t.strictSame(waiting.heard, [])
  slow.resolve(readOf('queued'))
  await slow.promise
  t.strictSame(waiting.heard, ['Queued', 'end'])
  cdf.says = 'running'
  watches.watch(ID, late, ORIGIN)
  t.strictSame(late.heard, ['Running', 'end'])
  t.equal(clock.timers.size, 0)
})
