import t from 'tap'
import type { Attempt } from '../../../src/cdf/attempt.ts'
import { CircuitBreaker } from '../../../src/cdf/resilience/circuit-breaker.ts'
import { ConcurrencyLimit } from '../../../src/cdf/resilience/concurrency-limit.ts'
import { CoolDown } from '../../../src/cdf/resilience/cool-down.ts'
import { UpstreamPolicy } from '../../../src/cdf/resilience/upstream-policy.ts'
import { WaitingCallers } from '../../../src/cdf/resilience/waiting-callers.ts'
import type { CallPause } from '../../../src/cdf/shared-limits.ts'
import { ProblemError } from '../../../src/problems/problem.ts'
import type { ProblemCode } from '../../../src/problems/problem-types.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { settle } from '../../support/wait.ts'

const JOB: Attempt = { job: { jobId: '1', status: 'Running' } }
const problem = (code: ProblemCode, retryAfterSeconds?: number): Attempt => ({
  error: new ProblemError(code, { retryAfterSeconds }),
  unauthorized: false,
  retryable: false,
})

function setUp({ limit = 4, random = (): number => 0 } = {}) {
  const clock = new FakeClock()
  const pauses: CallPause[] = []
  const policy = new UpstreamPolicy({
    concurrency: new ConcurrencyLimit(limit, 100),
    coolDown: new CoolDown({ now: clock.now, random: () => 0 }),
    breaker: new CircuitBreaker({ now: clock.now, onChange: () => {} }),
    onPause: (pause) => pauses.push(pause),
    random,
  })
  const { signal } = new AbortController()
  const callers = new WaitingCallers('a')
  const end = (attempt: Attempt) => policy.run(signal, callers, async () => attempt)
  /** Calls that the test ends. */
  const pending: PromiseWithResolvers<Attempt>[] = []
  const start = () =>
    policy.run(signal, callers, () => {
      const call = Promise.withResolvers<Attempt>()
      pending.push(call)
      return call.promise
    })
  return { pauses, clock, policy, end, start, pending }
}

t.test('rejects all calls after a 429 until the cool-down ends', async (t) => {
  const { clock, policy, end } = setUp()
  t.match(await end(problem('upstream-throttled')), { error: { retryAfterSeconds: 1 } })
  t.match(policy.rejection(), { code: 'upstream-throttled', retryAfterSeconds: 1 })
  await t.rejects(end(JOB), { code: 'upstream-throttled' })
  clock.advance(1_000)
  t.equal(await end(JOB), JOB)
})

t.test('adds up to 10 % jitter to retryAfterSeconds', async (t) => {
  const { policy, end } = setUp({ random: () => 0.999 })
  t.match(await end(problem('upstream-throttled', 30)), { error: { retryAfterSeconds: 30 } })
  t.match(policy.rejection(), { retryAfterSeconds: 33 })
})

t.test('limits retryAfterSeconds to 60', async (t) => {
  const { policy, end } = setUp({ random: () => 0.999 })
  await end(problem('upstream-throttled', 60))
  t.match(policy.rejection(), { retryAfterSeconds: 60 })
})

t.test('resets the cool-down after a response, not after a failure', async (t) => {
  for (const [answer, nextSeconds] of [
    [JOB, 1],
    [problem('job-not-found'), 1],
    [problem('upstream-error'), 2],
  ] as const) {
    const { clock, end } = setUp()
    await end(problem('upstream-throttled'))
    clock.advance(1_000)
    await end(answer)
    t.match(await end(problem('upstream-throttled')), { error: { retryAfterSeconds: nextSeconds } })
  }
})

t.test('halves the concurrency after a 429, and raises it after successes only', async (t) => {
  const { clock, end, start, pending } = setUp()
  const maxConcurrency = async () => {
    pending.length = 0
    const calls = Array.from({ length: 6 }, start)
    await settle()
    const { length } = pending
    while (pending.length < 6) {
      for (const call of pending) call.resolve(problem('upstream-rejected'))
      await settle()
    }
    for (const call of pending) call.resolve(problem('upstream-rejected'))
    await Promise.all(calls)
    return length
  }
  t.equal(await maxConcurrency(), 4)
  await end(problem('upstream-throttled'))
  clock.advance(1_000)
  t.equal(await maxConcurrency(), 2)
  for (let call = 0; call < 10; call += 1) await end(problem('upstream-auth-failed'))
  t.equal(await maxConcurrency(), 2)
  for (let call = 0; call < 10; call += 1) await end(JOB)
  t.equal(await maxConcurrency(), 3)
})

t.test('opens the circuit after failures of CDF only', async (t) => {
  const { clock, policy, end } = setUp()
  for (const code of ['upstream-rejected', 'job-not-found', 'upstream-invalid-response'] as const) {
    for (let call = 0; call < 10; call += 1) await end(problem(code))
  }
  t.equal(policy.rejection(), undefined)
  clock.advance(10_000)
  for (let call = 0; call < 10; call += 1) {
    await end({ ...problem('upstream-timeout'), aborted: true } as Attempt)
  }
  t.equal(policy.rejection(), undefined, 'aborted attempts do not count')
  for (let call = 0; call < 5; call += 1) await end(problem('upstream-timeout'))
  t.match(policy.rejection(), { code: 'upstream-unavailable', retryAfterSeconds: 5 })
})

t.test('allows another probe after an aborted probe and after an exception', async (t) => {
  const { clock, policy, end } = setUp()
  for (let call = 0; call < 5; call += 1) await end(problem('upstream-error'))
  clock.advance(5_000)
  await end({ ...problem('upstream-timeout'), aborted: true } as Attempt)
  t.equal(policy.rejection(), undefined)
  await t.rejects(
    policy.run(new AbortController().signal, new WaitingCallers('a'), () =>
      Promise.reject(new Error('a bug')),
    ),
  )
  t.equal(policy.rejection(), undefined)
  t.equal(await end(JOB), JOB)
})

t.test('rejects the queued calls as soon as a call is throttled', async (t) => {
  const { start, pending } = setUp({ limit: 2 })
  const calls = Array.from({ length: 5 }, start)
  await settle()
  pending[0]?.resolve(problem('upstream-throttled'))
  for (const call of calls.slice(2)) await t.rejects(call, { code: 'upstream-throttled' })
  pending[1]?.resolve(JOB)
  t.equal(await calls[1], JOB)
  t.equal(pending.length, 2)
})

t.test('tells the other replicas about a cool-down and an open circuit', async (t) => {
  const { clock, pauses, end } = setUp()
  await end(JOB)
  await end(problem('upstream-rejected'))
  t.strictSame(pauses, [])
  await end(problem('upstream-throttled', 7))
  t.strictSame(pauses, [{ coolDownMs: 7_000, openMs: 0 }])
  clock.advance(7_000)
  for (let call = 0; call < 5; call += 1) await end(problem('upstream-error'))
  t.strictSame(pauses.slice(1), [{ coolDownMs: 0, openMs: 5_000 }])
})

t.test('pauses with another replica, and rejects the queued calls immediately', async (t) => {
  const { clock, policy, start, end, pending } = setUp({ limit: 4 })
  const calls = Array.from({ length: 5 }, start)
  await settle()
  policy.adoptPause({ coolDownMs: 2_000, openMs: 0 })
  await t.rejects(calls[4] as Promise<Attempt>, { code: 'upstream-throttled' })
  await t.rejects(end(JOB), { code: 'upstream-throttled', retryAfterSeconds: 2 })
  for (const call of pending) call.resolve(problem('upstream-rejected'))
  await Promise.all(calls.slice(0, 4))
  clock.advance(2_000)
  const halved = Array.from({ length: 4 }, start)
  await settle()
  t.equal(pending.length - 4, 2, 'with half of the concurrency')
  policy.adoptPause({ coolDownMs: 0, openMs: 3_000 })
  t.match(policy.rejection(), { code: 'upstream-unavailable', retryAfterSeconds: 3 })
  for (const call of pending) call.resolve(JOB)
  await Promise.allSettled(halved)
})

t.test('ignores the last moments of a pause, which it has had itself', async (t) => {
  const { policy } = setUp()
  policy.adoptPause({ coolDownMs: 99, openMs: 99 })
  t.equal(policy.rejection(), undefined)
})

t.test('makes no more calls than its share', async (t) => {
  const { policy, start, pending } = setUp({ limit: 4 })
  policy.setMaxConcurrency(1)
  const calls = [start(), start()]
  await settle()
  t.equal(policy.callsInFlight, 1)
  policy.setMaxConcurrency(4)
  await settle()
  t.equal(policy.callsInFlight, 2)
  for (const call of pending) call.resolve(JOB)
  await Promise.all(calls)
})
