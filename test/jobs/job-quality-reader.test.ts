import t from 'tap'
import type { CallContext } from '../../src/cdf/cdf-client.ts'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'
import { parseCdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { JobCache } from '../../src/jobs/job-cache.ts'
import { JobQualityReader } from '../../src/jobs/job-quality-reader.ts'
import type { JobRead } from '../../src/jobs/job-read.ts'
import { ProxyError } from '../../src/problem.ts'
import type { ProblemCode } from '../../src/problem-table.ts'
import { FakeClock, fixtureText, JOB_ID, jobIdOf } from '../helper.ts'

const ID = parseJobId(JOB_ID) as JobId
const jobFrom = (file: string) => parseCdfJob(fixtureText(file)) as CdfJob
const RUNNING = jobFrom('estimate-running.json')
const COMPLETED = jobFrom('estimate-completed.json')
const SCORELESS = jobFrom('estimate-completed-no-scores.json')

/** A reader before a CDF that says what the test puts in `says`: a job, an error, or a promise of either. */
function setUp(
  options: { maxEntries?: number; statusFreshMs?: number; notFoundTtlMs?: number } = {},
) {
  const { maxEntries = 100, statusFreshMs = 1000, notFoundTtlMs = 5000 } = options
  const clock = new FakeClock()
  const cdf: {
    says: CdfJob | ProxyError | Promise<CdfJob>
    asked: string[]
    contexts: CallContext[]
    isOverloaded: boolean
  } = {
    says: RUNNING,
    asked: [],
    contexts: [],
    isOverloaded: false,
  }
  const deviations: string[] = []
  const reader = new JobQualityReader({
    cache: new JobCache({
      maxEntries,
      ttlMs: 86_400_000,
      pendingTtlMs: 30_000,
      notFoundTtlMs,
      now: clock.now,
    }),
    fetchJob: async (jobId, context) => {
      cdf.asked.push(jobId)
      cdf.contexts.push(context)
      if (cdf.says instanceof ProxyError) throw cdf.says
      return cdf.says
    },
    isOverloaded: () => cdf.isOverloaded,
    statusFreshMs,
    staleIfErrorMs: 30_000,
    now: clock.now,
    onDeviation: (field) => deviations.push(field),
  })
  const read = async (jobId: JobId = ID, signal = new AbortController().signal): Promise<JobRead> =>
    reader.read(jobId, () => ({ signal, requestId: 'r', traceparent: 't' }))
  const statusOf = ({ answer }: JobRead) => answer && JSON.parse(answer.body.toString()).status
  return { clock, cdf, deviations, reader, read, statusOf }
}

t.test('asks for a done job once in its life', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.says = COMPLETED
  t.match(await read(), { outcome: 'miss', collapsed: false, ageSeconds: undefined })
  clock.advance(86_399_000)
  const again = await read()
  t.match(again, { outcome: 'hit', ageSeconds: 86_399 })
  t.equal(cdf.asked.length, 1)
  clock.advance(1_001)
  t.match(await read(), { outcome: 'miss' }, 'its life in the cache ends some day')
})

t.test('gives a cached answer at once, the same object each time', async (t) => {
  const { cdf, reader, read } = setUp()
  cdf.says = COMPLETED
  const first = await read()
  const contextIsNotNeeded = () => t.fail('asked for a context') as never
  const hit = reader.read(ID, contextIsNotNeeded)
  t.notOk(hit instanceof Promise)
  t.equal((hit as JobRead).answer, first.answer)
})

t.test('keeps a job that is not done fresh for its time, and asks again after it', async (t) => {
  const { clock, cdf, read } = setUp()
  await read()
  clock.advance(999)
  t.match(await read(), { outcome: 'hit', ageSeconds: 0 })
  clock.advance(1)
  t.match(await read(), { outcome: 'stale', ageSeconds: undefined })
  t.equal(cdf.asked.length, 2)
  clock.advance(30_001)
  t.match(await read(), { outcome: 'miss' })
})

t.test('counts freshness from when CDF had answered', async (t) => {
  const { clock, cdf, read } = setUp()
  const slow = Promise.withResolvers<CdfJob>()
  cdf.says = slow.promise
  const reading = read()
  clock.advance(5_000)
  slow.resolve(RUNNING)
  await reading
  t.match(await read(), { outcome: 'hit', ageSeconds: 0 })
})

t.test('may be told to keep no job that is not done', async (t) => {
  const { cdf, read } = setUp({ statusFreshMs: 0 })
  await read()
  await read()
  t.equal(cdf.asked.length, 2)
})

t.test('makes one call for 200 concurrent callers', async (t) => {
  const { cdf, read } = setUp()
  const reads = await Promise.all(Array.from({ length: 200 }, () => read()))
  t.equal(cdf.asked.length, 1)
  t.equal(reads.filter(({ collapsed }) => collapsed).length, 199)
  t.equal(new Set(reads.map(({ answer }) => answer)).size, 1)
  t.match(cdf.contexts[0], { requestId: 'r', traceparent: 't' })
})

t.test('shares a failure among concurrent callers and keeps it for nobody', async (t) => {
  const { cdf, read } = setUp()
  cdf.says = new ProxyError('upstream-error')
  const reads = await Promise.all([read(), read()])
  t.match(reads, [
    { problem: { code: 'upstream-error' } },
    { problem: { code: 'upstream-error' }, collapsed: true },
  ])
  cdf.says = RUNNING
  t.match(await read(), { outcome: 'miss', problem: undefined })
  t.equal(cdf.asked.length, 2)
})

t.test('goes on when one caller leaves, and ends the call when all have', async (t) => {
  const { cdf, read, statusOf } = setUp()
  const slow = Promise.withResolvers<CdfJob>()
  cdf.says = slow.promise
  const callers = [new AbortController(), new AbortController(), new AbortController()] as const
  const [first, second] = [read(ID, callers[0].signal), read(ID, callers[1].signal)]
  callers[0].abort(new Error('gone'))
  await t.rejects(first, { message: 'gone' })
  t.equal(cdf.contexts[0]?.signal.aborted, false)
  slow.resolve(RUNNING)
  t.equal(statusOf(await second), 'Running')

  const late = Promise.withResolvers<CdfJob>()
  cdf.says = late.promise
  const third = read(parseJobId('7'), callers[2].signal)
  callers[2].abort(new Error('gone'))
  await t.rejects(third, { message: 'gone' })
  t.equal(cdf.contexts[1]?.signal.aborted, true)
  late.resolve(COMPLETED)
  await Promise.resolve()
  cdf.says = RUNNING
  t.match(await read(parseJobId('7')), { outcome: 'miss' }, 'what comes after the end is not kept')
})

t.test('remembers an unknown job for its time', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.says = new ProxyError('job-not-found')
  t.match(await read(), { problem: { code: 'job-not-found' }, outcome: 'miss' })
  clock.advance(4_999)
  t.match(await read(), { problem: { code: 'job-not-found' }, outcome: 'hit', ageSeconds: 4 })
  clock.advance(2)
  cdf.says = RUNNING
  t.match(await read(), { outcome: 'miss', problem: undefined })
  t.equal(cdf.asked.length, 2)
})

t.test('may be told to remember no unknown job', async (t) => {
  const { cdf, read } = setUp({ notFoundTtlMs: 0 })
  cdf.says = new ProxyError('job-not-found')
  await read()
  await read()
  t.equal(cdf.asked.length, 2)
})

t.test('does not let guessed ids or running jobs push out results', async (t) => {
  const { cdf, read } = setUp({ maxEntries: 10 })
  cdf.says = COMPLETED
  await read()
  cdf.says = new ProxyError('job-not-found')
  for (let number = 0; number < 100; number += 1) await read(parseJobId(String(number)))
  cdf.says = RUNNING
  for (let number = 0; number < 100; number += 1) await read(parseJobId(jobIdOf(number)))
  const { length } = cdf.asked
  t.match(await read(), { outcome: 'hit' })
  t.equal(cdf.asked.length, length)
})

t.test('keeps at most as many results as it may', async (t) => {
  const { cdf, read } = setUp({ maxEntries: 2 })
  cdf.says = COMPLETED
  for (const id of ['1', '2', '3', '2', '3', '1']) await read(parseJobId(id))
  t.strictSame(cdf.asked, ['1', '2', '3', '1'])
})

t.test('asks again after a minute for a Completed job without any score', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.says = SCORELESS
  await read()
  clock.advance(59_999)
  t.match(await read(), { outcome: 'hit' })
  clock.advance(1)
  cdf.says = COMPLETED
  t.match(await read(), { outcome: 'stale', answer: { freshForMs: Number.POSITIVE_INFINITY } })
  clock.advance(3_600_000)
  t.match(await read(), { outcome: 'hit' })
  t.equal(cdf.asked.length, 2)
})

t.test('never takes a done job back', async (t) => {
  const { clock, cdf, read, statusOf } = setUp()
  cdf.says = SCORELESS
  await read()
  clock.advance(60_000)
  cdf.says = RUNNING
  t.equal(statusOf(await read()), 'Completed')
  clock.advance(2_000)
  t.match(await read(), { outcome: 'hit', ageSeconds: 2 })
  t.equal(cdf.asked.length, 2)
})

const staleIfError: ProblemCode[] = [
  'upstream-error',
  'upstream-timeout',
  'upstream-throttled',
  'upstream-unavailable',
  'overloaded',
]
for (const code of staleIfError) {
  t.test(`serves a recent answer while CDF fails with ${code}`, async (t) => {
    const { clock, cdf, read, statusOf } = setUp()
    await read()
    cdf.says = new ProxyError(code)
    clock.advance(29_999)
    const stale = await read()
    t.match(stale, { outcome: 'stale-if-error', ageSeconds: 29 })
    t.equal(statusOf(stale), 'Running')
    clock.advance(1)
    t.match(await read(), { problem: { code } }, 'never an older one')
  })
}

const neverStale: ProblemCode[] = [
  'job-not-found',
  'upstream-auth-failed',
  'upstream-forbidden',
  'upstream-invalid-response',
]
/** These say nothing of the job, so that what is known of it stays. */
const neither: ProblemCode[] = [
  'identity-provider-unavailable',
  'identity-provider-rejected',
  'upstream-rejected',
]
for (const code of neverStale) {
  t.test(`serves nothing stale after ${code}`, async (t) => {
    const { clock, cdf, read } = setUp({ notFoundTtlMs: 0 })
    await read()
    clock.advance(1_000)
    cdf.says = new ProxyError(code)
    t.match(await read(), { problem: { code }, outcome: 'stale' })
    cdf.says = new ProxyError('upstream-error')
    t.match(await read(), { problem: { code: 'upstream-error' }, outcome: 'miss' })
  })
}

for (const code of neither) {
  t.test(`serves nothing stale with ${code}, but afterwards`, async (t) => {
    const { clock, cdf, read } = setUp()
    await read()
    clock.advance(1_000)
    cdf.says = new ProxyError(code)
    t.match(await read(), { problem: { code }, outcome: 'stale' })
    cdf.says = new ProxyError('upstream-error')
    t.match(await read(), { outcome: 'stale-if-error' })
  })
}

t.test('serves no result stale that was kept for a minute only', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.says = SCORELESS
  await read()
  clock.advance(60_000)
  cdf.says = new ProxyError('upstream-error')
  t.match(await read(), { problem: { code: 'upstream-error' } })
})

t.test('tells of what deviates from the reference', async (t) => {
  const { cdf, deviations, read } = setUp()
  cdf.says = jobFrom('estimate-completed-drifted.json')
  await read()
  t.strictSame(deviations, ['qualityScorePercent'])
})

t.test('lets a bug through as it is', async (t) => {
  const { cdf, read } = setUp()
  cdf.says = Promise.reject(new TypeError('a bug'))
  await t.rejects(read(), { name: 'TypeError' })
})

t.test('sheds only what would need CDF', async (t) => {
  const { clock, cdf, read } = setUp()
  const [done, pending, unknown] = ['1', '2', '3'].map((id) => parseJobId(id))
  cdf.says = COMPLETED
  await read(done)
  cdf.says = RUNNING
  await read(pending)
  cdf.isOverloaded = true
  t.match(await read(done), { outcome: 'hit' })
  t.match(await read(pending), { outcome: 'hit' })
  t.match(await read(unknown), { problem: { code: 'overloaded' } })
  clock.advance(1_000)
  t.match(await read(pending), { outcome: 'stale-if-error' })
  t.equal(cdf.asked.length, 2)
  cdf.isOverloaded = false
  t.match(await read(unknown), { outcome: 'miss', problem: undefined })
})
