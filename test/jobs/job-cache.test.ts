import t from 'tap'
import type { JobId } from '../../src/cdf/job-id.ts'
import { toCachedResponse } from '../../src/jobs/cached-response.ts'
import { JobCache } from '../../src/jobs/job-cache.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import { FakeClock } from '../support/fake-clock.ts'

const MIB = 1024 * 1024

function setUp({ maxEntries = 10_000 } = {}) {
  const clock = new FakeClock()
  const cache = new JobCache({
    maxEntries,
    ttlMs: 60_000,
    statusFreshMs: 1_000,
    staleIfErrorMs: 30_000,
    notFoundTtlMs: 5_000,
    now: clock.now,
  })
  const set = (jobId: JobId, done: boolean, errorMessage: string | null = null) => {
    const quality: JobQuality = {
      jobId,
      status: done ? 'Failed' : 'Running',
      done,
      advancedJoinExternalId: null,
      matcher: null,
      scores: null,
      errorMessage,
      createdAt: null,
      startedAt: null,
      statusChangedAt: null,
    }
    const response = toCachedResponse(quality, clock.nowMs, clock.nowMs, 1_000)
    cache.set(jobId, response)
    return response
  }
  return { cache, clock, set }
}

const ids = (count: number) => Array.from({ length: count }, (_, number) => `${number}` as JobId)

t.test('bounds the bytes of done and of pending jobs', async (t) => {
  const { cache, set } = setUp()
  const text = 'x'.repeat(120_000)
  const { byteLength } = set('0' as JobId, true, text)
  for (const jobId of ids(1_000)) set(jobId, true, text)
  const { done } = cache.sizes
  t.ok(done < (64 * MIB) / byteLength, `${done} entries`)
  t.ok(done > 500)
  for (const jobId of ids(1_000)) set(`9${jobId}` as JobId, false, text)
  const { pending } = cache.sizes
  t.ok(pending < (16 * MIB) / byteLength, `${pending} entries`)
  t.ok(pending > 100)
  t.equal(cache.sizes.done, done, 'pending jobs evict no done job')
  t.equal(cache.latest('0' as JobId), undefined, 'the least recently used entry is dropped')
  t.ok(cache.latest('999' as JobId))
})

t.test('counts the bytes of UTF-8, not characters', async (t) => {
  const { cache, set } = setUp()
  for (const jobId of ids(1_000)) set(jobId, true, '\u{1f600}'.repeat(30_000))
  t.ok(cache.sizes.done < (64 * MIB) / 120_000)
})

t.test('bounds the number of jobs of each kind', async (t) => {
  const { cache, clock, set } = setUp({ maxEntries: 10 })
  for (const jobId of ids(20)) {
    set(`1${jobId}` as JobId, true)
    set(`2${jobId}` as JobId, false)
    const notFound = { problem: new ProblemError('job-not-found'), readAtMs: clock.nowMs }
    cache.setNotFound(`3${jobId}` as JobId, notFound)
  }
  t.strictSame(cache.sizes, { done: 10, pending: 10, 'not-found': 10 })
})
