import t from 'tap'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import { acquireLease } from '../../src/jobs/acquire-lease.ts'
import type { JobLease, SharedJob } from '../../src/jobs/shared-jobs.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FAKE_LEASE_MS, FakeSharedJobs } from '../support/fake-shared-jobs.ts'
import { settle } from '../support/wait.ts'

const ID = parseJobId('7') as JobId
const RESULT = { job: { jobId: '7', status: 'Running' }, ageAtReadMs: 0, ttlMs: 30_000 }

function setUp(maxAgeMs = 1_000) {
  const clock = new FakeClock()
  const shared = new FakeSharedJobs(clock)
  /** Accepts younger results. */
  const accept = (job: SharedJob): SharedJob | undefined => (job.ageMs < maxAgeMs ? job : undefined)
  const acquire = (signal = new AbortController().signal, deadlineMs = 8_000, accepts = accept) =>
    acquireLease(ID, {
      shared,
      accept: accepts,
      now: clock.now,
      schedule: clock.schedule,
      deadlineMs,
      signal,
    })
  /** The lease of an attempt. */
  const leaseOf = async (attempt: ReturnType<typeof acquire>) =>
    ((await attempt) as { lease: JobLease }).lease
  return { clock, shared, acquire, leaseOf }
}

t.test('the first replica may read, and the others get its result', async (t) => {
  const { shared, acquire, leaseOf } = setUp()
  const lease = await leaseOf(acquire())
  const others = [acquire(), acquire()]
  await settle()
  await lease.release(RESULT)
  for (const other of others) t.match(await other, { result: { job: RESULT.job, ageMs: 0 } })
  t.equal(shared.listeners, 0)
})

t.test('a result that is young enough makes a read unnecessary', async (t) => {
  const { clock, acquire, leaseOf } = setUp()
  await (await leaseOf(acquire())).release(RESULT)
  clock.advance(999)
  t.match(await acquire(), { result: { ageMs: 999 } })
  clock.advance(1)
  t.match(await acquire(), { lease: {} }, 'and the lease was free again')
})

t.test('after a read without a result, one of the others may read', async (t) => {
  const { acquire, leaseOf } = setUp()
  const lease = await leaseOf(acquire())
  const others = [acquire(), acquire()]
  await settle()
  await lease.release()
  const next = await leaseOf(Promise.race(others))
  await next.release(RESULT)
  const results = await Promise.all(others)
  t.equal(results.filter((attempt) => 'result' in attempt).length, 1)
})

t.test(
  'after the death of the holder, another replica may read as soon as the lease ends',
  async (t) => {
    const { clock, acquire, leaseOf } = setUp()
    await leaseOf(acquire())
    const other = acquire()
    await settle()
    clock.advance(FAKE_LEASE_MS)
    t.match(await other, { waitedMs: FAKE_LEASE_MS })
  },
)

t.test('a lost release delays a result until the lease would have ended', async (t) => {
  const { clock, shared, acquire, leaseOf } = setUp(30_000)
  const lease = await leaseOf(acquire())
  const other = acquire()
  await settle()
  shared.losesMessages = true
  await lease.release(RESULT)
  clock.advance(FAKE_LEASE_MS - 1)
  await settle()
  t.equal(shared.listeners, 1, 'waits')
  clock.advance(1)
  t.match(await other, { result: { job: RESULT.job, ageMs: FAKE_LEASE_MS } })
})

t.test('a lease that was not needed delays no other replica', async (t) => {
  const { shared, acquire, leaseOf } = setUp()
  const { acquireLease: original } = shared
  const lease = await leaseOf(acquire())
  const [first, second] = [acquire(), acquire(undefined, undefined, () => undefined)]
  shared.acquireLease = async (jobId) => {
    const attempt = await original(jobId)
    // The answer is on the way while the other one is refused.
    if (attempt.lease) await settle()
    return attempt
  }
  shared.get = async () => undefined
  await lease.release(RESULT)
  t.match(await first, { result: { job: RESULT.job } })
  t.match(await second, { waitedMs: 0, lease: {} })
})

t.test('a release between the lookup and the wait is not missed', async (t) => {
  const { shared, acquire, leaseOf } = setUp()
  const lease = await leaseOf(acquire())
  const { acquireLease: original } = shared
  let isFirst = true
  shared.acquireLease = async (jobId) => {
    const attempt = await original(jobId)
    if (isFirst) {
      isFirst = false
      // Redis has looked it up; its answer is still on the way.
      setImmediate(async () => {
        await lease.release(RESULT)
      })
      await settle()
      await settle()
    }
    return attempt
  }
  t.match(await acquire(), { result: { job: RESULT.job } })
})

t.test('looks again immediately if releases can have been missed', async (t) => {
  const { shared, acquire, leaseOf } = setUp()
  const lease = await leaseOf(acquire())
  const other = acquire()
  await settle()
  shared.losesMessages = true
  await lease.release(RESULT)
  shared.notifyLoss()
  t.match(await other, { result: { job: RESULT.job } })
})

t.test('waits until its deadline', async (t) => {
  const { clock, shared, acquire, leaseOf } = setUp()
  await leaseOf(acquire())
  const other = acquire(undefined, FAKE_LEASE_MS / 2)
  await settle()
  clock.advance(FAKE_LEASE_MS / 2)
  await t.rejects(other, { code: 'upstream-timeout' })
  t.equal(shared.listeners, 0)
  t.equal(clock.timers.size, 0)
})

t.test('ends with the signal, and gives back a lease that it has just got', async (t) => {
  const { clock, shared, acquire, leaseOf } = setUp()
  const early = new AbortController()
  const aborted = acquire(early.signal)
  early.abort(new Error('gone'))
  await t.rejects(aborted, { message: 'gone' })
  const lease = await leaseOf(acquire())
  t.ok(lease, 'the lease is free')
  const late = new AbortController()
  const waiting = acquire(late.signal)
  await settle()
  late.abort(new Error('gone'))
  await t.rejects(waiting, { message: 'gone' })
  t.equal(shared.listeners, 0)
  t.equal(clock.timers.size, 0)
})
