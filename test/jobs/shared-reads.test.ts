import t from 'tap'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { JobCache } from '../../src/jobs/job-cache.ts'
import { JobQualityReader } from '../../src/jobs/job-quality-reader.ts'
import type { ReadResult } from '../../src/jobs/read-result.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import type { ProblemCode } from '../../src/problems/problem-types.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeSharedJobs } from '../support/fake-shared-jobs.ts'
import { settle } from '../support/wait.ts'

const ID = parseJobId('7') as JobId
const job = (status: string): CdfJob => ({ jobId: '7', status })
const DONE = { ...job('Completed'), qualityScorePercent: 50 }

/** Two replicas with a fake clock, and a CDF that both ask. */
function setUp() {
  const clock = new FakeClock()
  const shared = new FakeSharedJobs(clock)
  const cdf: { response: CdfJob | ProblemError | Promise<CdfJob>; reads: string[] } = {
    response: job('Running'),
    reads: [],
  }
  const start = (name: string) => {
    const reader = new JobQualityReader({
      cache: new JobCache({
        maxEntries: 100,
        ttlMs: 86_400_000,
        statusFreshMs: 1_000,
        staleIfErrorMs: 30_000,
        notFoundTtlMs: 5_000,
        now: clock.now,
      }),
      shared,
      fetchJob: async () => {
        cdf.reads.push(name)
        if (cdf.response instanceof ProblemError) throw cdf.response
        return cdf.response
      },
      isOverloaded: () => false,
      statusFreshMs: 1_000,
      staleIfErrorMs: 30_000,
      deadlineMs: 8_000,
      now: clock.now,
      schedule: clock.schedule,
      onDeviation: () => {},
    })
    /** Results for subscribers, if this replica watches the job. */
    const watched: ReadResult[] = []
    const watching = { isWatching: false }
    reader.subscribe({
      onRead: (_jobId, result) => watched.push(result),
      isWatching: () => watching.isWatching,
    })
    const read = async (maxSharedAgeMs?: number) =>
      reader.read(ID, {
        signal: new AbortController().signal,
        requestId: 'r',
        traceparent: 't',
        callerKey: 'c',
        ...(maxSharedAgeMs !== undefined && { maxSharedAgeMs }),
      })
    return { reader, read, watched, watching }
  }
  return { clock, shared, cdf, a: start('a'), b: start('b') }
}

const statusOf = ({ response }: ReadResult) => response && JSON.parse(response.body).status
const fail = (code: ProblemCode) => new ProblemError(code)

t.test('a done job is read once by all replicas, and is a hit with its age', async (t) => {
  const { clock, cdf, a, b } = setUp()
  cdf.response = DONE
  t.match(await a.read(), { outcome: 'miss' })
  clock.advance(3_600_000)
  const result = await b.read()
  t.match(result, { outcome: 'hit', ageSeconds: 3_600, collapsed: false })
  t.equal(result.upstream, undefined)
  t.match(b.reader.counts, { hit: 1, miss: 0 })
  clock.advance(86_400_001 - 3_600_000)
  t.match(await b.read(), { outcome: 'miss' }, 'its lifetime began with the read of the other')
  t.strictSame(cdf.reads, ['a', 'b'])
})

t.test('a read after a result of another replica that is too old is a stale one', async (t) => {
  const { clock, cdf, a, b } = setUp()
  await a.read()
  clock.advance(3_000)
  t.match(await b.read(), { outcome: 'stale' })
  t.strictSame(cdf.reads, ['a', 'b'])
})

t.test('a pending job is fresh as long as if this replica had read it', async (t) => {
  const { clock, cdf, a, b } = setUp()
  await a.read()
  clock.advance(600)
  t.match(await b.read(), { outcome: 'hit' })
  clock.advance(399)
  t.match(await b.read(), { outcome: 'hit' })
  clock.advance(1)
  t.match(await b.read(), { outcome: 'stale' })
  t.strictSame(cdf.reads, ['a', 'b'])
})

t.test('an unknown job is remembered as long as if this replica had read it', async (t) => {
  const { clock, cdf, a, b } = setUp()
  cdf.response = fail('job-not-found')
  await a.read()
  clock.advance(4_999)
  const result = await b.read()
  t.match(result, { outcome: 'hit', problem: { code: 'job-not-found' }, ageSeconds: 4 })
  t.match(b.reader.counts, { negative: 1 })
  clock.advance(2)
  await b.read()
  t.strictSame(cdf.reads, ['a', 'b'])
})

t.test('a background read takes an older result, but not for a caller who joins it', async (t) => {
  const { clock, shared, cdf, a, b } = setUp()
  await a.read()
  clock.advance(3_000)
  t.match(await b.read(4_000), { outcome: 'hit', ageSeconds: 3 })
  t.strictSame(cdf.reads, ['a'])

  shared.results.clear()
  await a.read()
  clock.advance(3_000)
  const [background, caller] = await Promise.all([b.read(4_000), b.read()])
  t.match(background, { outcome: 'stale' })
  t.match(caller, { outcome: 'stale', collapsed: true })
  t.strictSame(cdf.reads, ['a', 'a', 'b'])
})

t.test(
  'passes changes to the watchers of all replicas, also those that did not read',
  async (t) => {
    const { cdf, a, b } = setUp()
    b.watching.isWatching = true
    await a.read()
    await settle()
    t.strictSame(b.watched.map(statusOf), ['Running'])
    t.match(b.watched, [{ outcome: 'hit' }])
    t.strictSame(cdf.reads, ['a'])
  },
)

t.test('a release renews a pending job in the cache, but loads no other', async (t) => {
  const { clock, shared, cdf, a, b } = setUp()
  await a.read()
  await settle()
  t.equal(b.reader.latest(ID), undefined)
  await b.read()
  clock.advance(2_000)
  cdf.response = DONE
  await a.read()
  await settle()
  t.match(b.reader.latest(ID), { response: { done: true } })
  shared.results.clear()
  shared.notifyRelease(ID)
  await settle()
  t.match(b.reader.latest(ID), { response: { done: true } })
})

t.test('a result that is older than the own one is ignored', async (t) => {
  const { clock, shared, a, b } = setUp()
  await a.read()
  const [entry] = shared.results
  clock.advance(1_000)
  await b.read()
  b.watching.isWatching = true
  b.watched.length = 0
  if (entry) shared.results.set(...entry)
  shared.notifyRelease(ID)
  await settle()
  t.strictSame(b.watched, [])
})

t.test('a job that was seen done stays done, and is not shared as pending', async (t) => {
  const { clock, shared, cdf, a, b } = setUp()
  // Fresh for a minute, because it lacks scores.
  cdf.response = job('Completed')
  await a.read()
  await b.read()
  clock.advance(60_000)
  shared.results.clear()
  cdf.response = job('Running')
  t.equal(statusOf(await a.read()), 'Completed')
  t.equal(shared.results.size, 0)
  t.equal(statusOf(await b.read()), 'Completed')
})

t.test('failures are not shared; the other replicas read in turn', async (t) => {
  const { shared, cdf, a, b } = setUp()
  cdf.response = fail('upstream-error')
  const [first, second] = await Promise.all([a.read(), b.read()])
  for (const result of [first, second]) t.match(result, { problem: { code: 'upstream-error' } })
  t.strictSame(cdf.reads, ['a', 'b'])
  t.equal(shared.results.size, 0)
})

t.test('a failure that revokes a pending job removes it for all replicas', async (t) => {
  for (const code of ['upstream-forbidden', 'upstream-auth-failed'] as const) {
    const { clock, shared, cdf, a } = setUp()
    await a.read()
    t.equal(shared.results.size, 1)
    clock.advance(1_000)
    cdf.response = fail(code)
    await a.read()
    await settle()
    t.equal(shared.results.size, 0, code)
  }
})

t.test('keeps how long the job has been known, for the polling interval', async (t) => {
  const { clock, a, b } = setUp()
  const firstReadAtMs = clock.nowMs
  await a.read()
  clock.advance(5_000)
  await a.read()
  clock.advance(500)
  t.match(await b.read(), { response: { firstReadAtMs, readAtMs: firstReadAtMs + 5_000 } })
})

t.test('a read for which no caller waits any more is left to another replica', async (t) => {
  const { cdf, a, b } = setUp()
  const slow = Promise.withResolvers<CdfJob>()
  cdf.response = slow.promise
  const gone = new AbortController()
  const context = { requestId: 'r', traceparent: 't', callerKey: 'c', signal: gone.signal }
  const abandoned = a.reader.read(ID, context)
  await settle()
  const other = b.read()
  gone.abort(new Error('gone'))
  await t.rejects(Promise.resolve(abandoned), { message: 'gone' })
  cdf.response = job('Running')
  slow.resolve(job('Queued'))
  t.equal(statusOf(await other), 'Running')
  t.strictSame(cdf.reads, ['a', 'b'])
})
