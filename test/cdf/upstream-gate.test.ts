import t from 'tap'
import type { Attempt } from '../../src/cdf/attempt.ts'
import { CircuitBreaker } from '../../src/cdf/circuit-breaker.ts'
import { ConcurrencyLimit } from '../../src/cdf/concurrency-limit.ts'
import { CoolDown } from '../../src/cdf/cool-down.ts'
import { UpstreamGate } from '../../src/cdf/upstream-gate.ts'
import { ProxyError } from '../../src/problem.ts'
import type { ProblemCode } from '../../src/problem-table.ts'
import { FakeClock } from '../helper.ts'

const JOB: Attempt = { job: { jobId: '1', status: 'Running' } }
const problem = (code: ProblemCode, retryAfterSeconds?: number): Attempt => ({
  error: new ProxyError(code, { retryAfterSeconds }),
  unauthorized: false,
  retryable: false,
})

function setUp({ limit = 4, random = (): number => 0 } = {}) {
  const clock = new FakeClock()
  const gate = new UpstreamGate({
    concurrency: new ConcurrencyLimit(limit, 100),
    coolDown: new CoolDown({ now: clock.now, random: () => 0 }),
    breaker: new CircuitBreaker({ now: clock.now, onChange: () => {} }),
    random,
  })
  const { signal } = new AbortController()
  const end = (attempt: Attempt) => gate.run(signal, async () => attempt)
  /** Calls that are under way until the test ends them. */
  const underWay: PromiseWithResolvers<Attempt>[] = []
  const begin = () =>
    gate.run(signal, () => {
      const call = Promise.withResolvers<Attempt>()
      underWay.push(call)
      return call.promise
    })
  return { clock, gate, end, begin, underWay }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

t.test('closes for everybody after a 429, and says how long', async (t) => {
  const { clock, gate, end } = setUp()
  t.match(await end(problem('upstream-throttled')), { error: { retryAfterSeconds: 1 } })
  t.match(gate.closedBy(), { code: 'upstream-throttled', retryAfterSeconds: 1 })
  await t.rejects(end(JOB), { code: 'upstream-throttled' })
  clock.advance(1_000)
  t.equal(await end(JOB), JOB)
})

t.test('spreads those who are told to come back', async (t) => {
  const { gate, end } = setUp({ random: () => 0.999 })
  t.match(await end(problem('upstream-throttled', 30)), { error: { retryAfterSeconds: 30 } })
  t.match(gate.closedBy(), { retryAfterSeconds: 33 })
})

t.test('tells nobody to wait for more than a minute', async (t) => {
  const { gate, end } = setUp({ random: () => 0.999 })
  await end(problem('upstream-throttled', 60))
  t.match(gate.closedBy(), { retryAfterSeconds: 60 })
})

t.test('forgets how long it had to wait after an answer, and not after a failure', async (t) => {
  for (const [answer, secondsThen] of [
    [JOB, 1],
    [problem('job-not-found'), 1],
    [problem('upstream-error'), 2],
  ] as const) {
    const { clock, end } = setUp()
    await end(problem('upstream-throttled'))
    clock.advance(1_000)
    await end(answer)
    t.match(await end(problem('upstream-throttled')), { error: { retryAfterSeconds: secondsThen } })
  }
})

t.test(
  'halves the calls at once after a 429, and lets them grow with what went well only',
  async (t) => {
    const { clock, end, begin, underWay } = setUp()
    const atOnce = async () => {
      underWay.length = 0
      const calls = Array.from({ length: 6 }, begin)
      await settle()
      const { length } = underWay
      while (underWay.length < 6) {
        for (const call of underWay) call.resolve(problem('upstream-rejected'))
        await settle()
      }
      for (const call of underWay) call.resolve(problem('upstream-rejected'))
      await Promise.all(calls)
      return length
    }
    t.equal(await atOnce(), 4)
    await end(problem('upstream-throttled'))
    clock.advance(1_000)
    t.equal(await atOnce(), 2)
    for (let call = 0; call < 10; call += 1) await end(problem('upstream-auth-failed'))
    t.equal(await atOnce(), 2)
    for (let call = 0; call < 10; call += 1) await end(JOB)
    t.equal(await atOnce(), 3)
  },
)

t.test('opens the circuit after failures, but not after what says nothing of CDF', async (t) => {
  const { clock, gate, end } = setUp()
  for (const code of ['upstream-rejected', 'job-not-found', 'upstream-invalid-response'] as const) {
    for (let call = 0; call < 10; call += 1) await end(problem(code))
  }
  t.equal(gate.closedBy(), undefined)
  clock.advance(10_000)
  for (let call = 0; call < 10; call += 1) {
    await end({ ...problem('upstream-timeout'), cutShort: true } as Attempt)
  }
  t.equal(gate.closedBy(), undefined, 'cut short')
  for (let call = 0; call < 5; call += 1) await end(problem('upstream-timeout'))
  t.match(gate.closedBy(), { code: 'upstream-unavailable', retryAfterSeconds: 5 })
})

t.test('lets another probe through after one that was cut short or broke', async (t) => {
  const { clock, gate, end } = setUp()
  for (let call = 0; call < 5; call += 1) await end(problem('upstream-error'))
  clock.advance(5_000)
  await end({ ...problem('upstream-timeout'), cutShort: true } as Attempt)
  t.equal(gate.closedBy(), undefined)
  await t.rejects(gate.run(new AbortController().signal, () => Promise.reject(new Error('a bug'))))
  t.equal(gate.closedBy(), undefined)
  t.equal(await end(JOB), JOB)
})

t.test('tells those who wait for a place as soon as there is no use in waiting', async (t) => {
  const { begin, underWay } = setUp({ limit: 2 })
  const calls = Array.from({ length: 5 }, begin)
  await settle()
  underWay[0]?.resolve(problem('upstream-throttled'))
  for (const call of calls.slice(2)) await t.rejects(call, { code: 'upstream-throttled' })
  underWay[1]?.resolve(JOB)
  t.equal(await calls[1], JOB)
  t.equal(underWay.length, 2)
})
