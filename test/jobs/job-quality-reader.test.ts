import t from 'tap'
import type { CdfReadContext } from '../../src/cdf/cdf-client.ts'
import { type CdfJob, parseCdfJob } from '../../src/cdf/cdf-job.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { JobCache } from '../../src/jobs/job-cache.ts'
import { JobQualityReader, type ReadContext } from '../../src/jobs/job-quality-reader.ts'
import type { ReadResult } from '../../src/jobs/read-result.ts'
import { UNSHARED_JOBS } from '../../src/jobs/shared-jobs.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import type { ProblemCode } from '../../src/problems/problem-types.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { fixtureText, JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { settle } from '../support/wait.ts'

const ID = parseJobId(JOB_ID) as JobId
const jobFrom = (file: string) => parseCdfJob(fixtureText(file)) as CdfJob
const RUNNING = jobFrom('estimate-running.json')
const COMPLETED = jobFrom('estimate-completed.json')
const SCORELESS = jobFrom('estimate-completed-no-scores.json')

/** A reader with a fake clock and a CDF that responds with `cdf.response`: a job, an error, or a promise. */
function setUp(
  options: { maxEntries?: number; statusFreshMs?: number; notFoundTtlMs?: number } = {},
) {
  const { maxEntries = 100, statusFreshMs = 1000, notFoundTtlMs = 5000 } = options
  const clock = new FakeClock()
  const cdf: {
    response: CdfJob | ProblemError | Promise<CdfJob>
    requests: string[]
    contexts: CdfReadContext[]
    isOverloaded: boolean
  } = {
    response: RUNNING,
    requests: [],
    contexts: [],
    isOverloaded: false,
  }
  const deviations: string[] = []
  const reader = new JobQualityReader({
    cache: new JobCache({
      maxEntries,
      ttlMs: 86_400_000,
      statusFreshMs,
      staleIfErrorMs: 30_000,
      notFoundTtlMs,
      now: clock.now,
    }),
    shared: UNSHARED_JOBS,
    fetchJob: async (jobId, context) => {
      cdf.requests.push(jobId)
      cdf.contexts.push(context)
      if (cdf.response instanceof ProblemError) throw cdf.response
      return cdf.response
    },
    isOverloaded: () => cdf.isOverloaded,
    statusFreshMs,
    staleIfErrorMs: 30_000,
    deadlineMs: 8_000,
    now: clock.now,
    schedule: clock.schedule,
    onDeviation: (field) => deviations.push(field),
  })
  const read = async (
    jobId: JobId = ID,
    signal = new AbortController().signal,
  ): Promise<ReadResult> =>
    reader.read(jobId, { signal, requestId: 'r', traceparent: 't', callerKey: 'c' })
  const statusOf = ({ response }: ReadResult) => response && JSON.parse(response.body).status
  return { clock, cdf, deviations, reader, read, statusOf }
}

t.test('reads a done job from CDF once per cache lifetime', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.response = COMPLETED
  t.match(await read(), { outcome: 'miss', collapsed: false, ageSeconds: undefined })
  clock.advance(86_399_000)
  const again = await read()
  t.match(again, { outcome: 'hit', ageSeconds: 86_399 })
  t.equal(cdf.requests.length, 1)
  clock.advance(1_001)
  t.match(await read(), { outcome: 'miss' }, 'after the cache lifetime')
})

t.test('returns a hit synchronously, without using the context', async (t) => {
  const { cdf, reader, read } = setUp()
  cdf.response = COMPLETED
  const first = await read()
  const unused = () => t.fail('uses the context')
  const context = Object.defineProperties({} as ReadContext, {
    signal: { get: unused },
    traceparent: { get: unused },
  })
  const hit = reader.read(ID, context)
  t.notOk(hit instanceof Promise)
  t.equal((hit as ReadResult).response, first.response)
})

t.test(
  'serves a pending job from the cache during its freshness lifetime, then reads it again',
  async (t) => {
    const { clock, cdf, read } = setUp()
    await read()
    clock.advance(999)
    t.match(await read(), { outcome: 'hit', ageSeconds: 0 })
    clock.advance(1)
    t.match(await read(), { outcome: 'stale', ageSeconds: undefined })
    t.equal(cdf.requests.length, 2)
    clock.advance(30_001)
    t.match(await read(), { outcome: 'miss' })
  },
)

t.test('counts the freshness lifetime from the response of CDF', async (t) => {
  const { clock, cdf, read } = setUp()
  const slow = Promise.withResolvers<CdfJob>()
  cdf.response = slow.promise
  const reading = read()
  clock.advance(5_000)
  slow.resolve(RUNNING)
  await reading
  t.match(await read(), { outcome: 'hit', ageSeconds: 0 })
})

t.test('does not cache pending jobs with a freshness lifetime of 0', async (t) => {
  const { cdf, read } = setUp({ statusFreshMs: 0 })
  await read()
  await read()
  t.equal(cdf.requests.length, 2)
})

t.test('sends one request to CDF for 200 concurrent callers', async (t) => {
  const { cdf, read } = setUp()
  const reads = await Promise.all(Array.from({ length: 200 }, () => read()))
  t.equal(cdf.requests.length, 1)
  t.equal(reads.filter(({ collapsed }) => collapsed).length, 199)
  t.equal(new Set(reads.map(({ response }) => response)).size, 1)
  t.match(cdf.contexts[0], { requestId: 'r', traceparent: 't' })
})

t.test('shares a failure among concurrent callers and does not cache it', async (t) => {
  const { cdf, read } = setUp()
  cdf.response = new ProblemError('upstream-error')
  const reads = await Promise.all([read(), read()])
  t.match(reads, [
    { problem: { code: 'upstream-error' } },
    { problem: { code: 'upstream-error' }, collapsed: true },
  ])
  cdf.response = RUNNING
  t.match(await read(), { outcome: 'miss', problem: undefined })
  t.equal(cdf.requests.length, 2)
})

t.test(
  'continues a read while a caller remains, and aborts it when all have aborted',
  async (t) => {
    const { cdf, read, statusOf } = setUp()
    const slow = Promise.withResolvers<CdfJob>()
    cdf.response = slow.promise
    const callers = [new AbortController(), new AbortController(), new AbortController()] as const
    const [first, second] = [read(ID, callers[0].signal), read(ID, callers[1].signal)]
    callers[0].abort(new Error('gone'))
    await t.rejects(first, { message: 'gone' })
    t.equal(cdf.contexts[0]?.signal.aborted, false)
    slow.resolve(RUNNING)
    t.equal(statusOf(await second), 'Running')

    const late = Promise.withResolvers<CdfJob>()
    cdf.response = late.promise
    const third = read(parseJobId('7'), callers[2].signal)
    await settle()
    callers[2].abort(new Error('gone'))
    await t.rejects(third, { message: 'gone' })
    t.equal(cdf.contexts[1]?.signal.aborted, true)
    late.resolve(COMPLETED)
    await Promise.resolve()
    cdf.response = RUNNING
    t.match(
      await read(parseJobId('7')),
      { outcome: 'miss' },
      'does not cache a response after the abort',
    )
  },
)

t.test('caches job-not-found for its lifetime', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.response = new ProblemError('job-not-found')
  t.match(await read(), { problem: { code: 'job-not-found' }, outcome: 'miss' })
  clock.advance(4_999)
  t.match(await read(), { problem: { code: 'job-not-found' }, outcome: 'hit', ageSeconds: 4 })
  clock.advance(2)
  cdf.response = RUNNING
  t.match(await read(), { outcome: 'miss', problem: undefined })
  t.equal(cdf.requests.length, 2)
})

t.test('does not cache job-not-found with a lifetime of 0', async (t) => {
  const { cdf, read } = setUp({ notFoundTtlMs: 0 })
  cdf.response = new ProblemError('job-not-found')
  await read()
  await read()
  t.equal(cdf.requests.length, 2)
})

t.test('does not evict results for unknown or pending jobs', async (t) => {
  const { cdf, read } = setUp({ maxEntries: 10 })
  cdf.response = COMPLETED
  await read()
  cdf.response = new ProblemError('job-not-found')
  for (let number = 0; number < 100; number += 1) await read(parseJobId(String(number)))
  cdf.response = RUNNING
  for (let number = 0; number < 100; number += 1) await read(parseJobId(jobIdOf(number)))
  const { length } = cdf.requests
  t.match(await read(), { outcome: 'hit' })
  t.equal(cdf.requests.length, length)
})

t.test('caches at most maxEntries results', async (t) => {
  const { cdf, read } = setUp({ maxEntries: 2 })
  cdf.response = COMPLETED
  for (const id of ['1', '2', '3', '2', '3', '1']) await read(parseJobId(id))
  t.strictSame(cdf.requests, ['1', '2', '3', '1'])
})

t.test('reads a Completed job without scores again after one minute', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.response = SCORELESS
  await read()
  clock.advance(59_999)
  t.match(await read(), { outcome: 'hit' })
  clock.advance(1)
  cdf.response = COMPLETED
  t.match(await read(), { outcome: 'stale', response: { freshForMs: Number.POSITIVE_INFINITY } })
  clock.advance(3_600_000)
  t.match(await read(), { outcome: 'hit' })
  t.equal(cdf.requests.length, 2)
})

t.test('keeps a done status if CDF reports a pending one later', async (t) => {
  const { clock, cdf, read, statusOf } = setUp()
  cdf.response = SCORELESS
  await read()
  clock.advance(60_000)
  cdf.response = RUNNING
  t.equal(statusOf(await read()), 'Completed')
  clock.advance(2_000)
  t.match(await read(), { outcome: 'hit', ageSeconds: 2 })
  t.equal(cdf.requests.length, 2)
})

const staleIfError: ProblemCode[] = [
  'upstream-error',
  'upstream-timeout',
  'upstream-throttled',
  'upstream-unavailable',
  'overloaded',
]
for (const code of staleIfError) {
  t.test(`serves a stale response for 30 s while CDF fails with ${code}`, async (t) => {
    const { clock, cdf, read, statusOf } = setUp()
    await read()
    cdf.response = new ProblemError(code)
    clock.advance(29_999)
    const stale = await read()
    t.match(stale, { outcome: 'stale-if-error', ageSeconds: 29 })
    t.equal(statusOf(stale), 'Running')
    clock.advance(1)
    t.match(await read(), { problem: { code } }, 'not after 30 s')
  })
}

const dropsCached: ProblemCode[] = [
  'job-not-found',
  'upstream-auth-failed',
  'upstream-forbidden',
  'upstream-invalid-response',
]
/** These failures are not about the job, so the cached response stays. */
const keepsCached: ProblemCode[] = [
  'identity-provider-unavailable',
  'identity-provider-rejected',
  'upstream-rejected',
]
for (const code of dropsCached) {
  t.test(`drops the cached response after ${code}`, async (t) => {
    const { clock, cdf, read } = setUp({ notFoundTtlMs: 0 })
    await read()
    clock.advance(1_000)
    cdf.response = new ProblemError(code)
    t.match(await read(), { problem: { code }, outcome: 'stale' })
    cdf.response = new ProblemError('upstream-error')
    t.match(await read(), { problem: { code: 'upstream-error' }, outcome: 'miss' })
  })
}

for (const code of keepsCached) {
  t.test(`rejects with ${code}, but keeps the cached response`, async (t) => {
    const { clock, cdf, read } = setUp()
    await read()
    clock.advance(1_000)
    cdf.response = new ProblemError(code)
    t.match(await read(), { problem: { code }, outcome: 'stale' })
    cdf.response = new ProblemError('upstream-error')
    t.match(await read(), { outcome: 'stale-if-error' })
  })
}

t.test('does not serve a Completed job without scores stale', async (t) => {
  const { clock, cdf, read } = setUp()
  cdf.response = SCORELESS
  await read()
  clock.advance(60_000)
  cdf.response = new ProblemError('upstream-error')
  t.match(await read(), { problem: { code: 'upstream-error' } })
})

t.test('reports fields that deviate from the API reference', async (t) => {
  const { cdf, deviations, read } = setUp()
  cdf.response = jobFrom('estimate-completed-renamed-score.json')
  await read()
  t.strictSame(deviations, ['qualityScorePercent'])
})

t.test('rethrows unexpected errors', async (t) => {
  const { cdf, read } = setUp()
  cdf.response = Promise.reject(new TypeError('a bug'))
  await t.rejects(read(), { name: 'TypeError' })
})

t.test('serves cached jobs while overloaded, and rejects the others with overloaded', async (t) => {
  const { clock, cdf, read } = setUp()
  const [done, pending, unknown] = ['1', '2', '3'].map((id) => parseJobId(id))
  cdf.response = COMPLETED
  await read(done)
  cdf.response = RUNNING
  await read(pending)
  cdf.isOverloaded = true
  t.match(await read(done), { outcome: 'hit' })
  t.match(await read(pending), { outcome: 'hit' })
  t.match(await read(unknown), { problem: { code: 'overloaded' } })
  clock.advance(1_000)
  t.match(await read(pending), { outcome: 'stale-if-error' })
  t.equal(cdf.requests.length, 2)
  cdf.isOverloaded = false
  t.match(await read(unknown), { outcome: 'miss', problem: undefined })
})
