import t from 'tap'
import { CircuitBreaker } from '../../../src/cdf/resilience/circuit-breaker.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function setUp() {
  const clock = new FakeClock()
  const changes: string[] = []
  const breaker = new CircuitBreaker({ now: clock.now, onChange: (state) => changes.push(state) })
  const end = (failed: boolean) => breaker.report(breaker.enter(), failed)
  const fail = (times: number) => {
    for (let time = 0; time < times; time += 1) end(true)
  }
  return { clock, breaker, changes, end, fail }
}

t.test('opens after five failures in a row', async (t) => {
  const { breaker, changes, end, fail } = setUp()
  fail(4)
  end(false)
  fail(4)
  t.equal(breaker.openMs, 0)
  fail(1)
  t.equal(breaker.openMs, 5_000)
  t.strictSame(changes, ['open'])
})

t.test('opens when half of at least ten calls within ten seconds have failed', async (t) => {
  const { clock, breaker, end } = setUp()
  for (let pair = 0; pair < 4; pair += 1) {
    end(true)
    end(false)
  }
  end(false)
  t.equal(breaker.openMs, 0)
  clock.advance(10_000)
  for (let pair = 0; pair < 4; pair += 1) {
    end(true)
    end(false)
  }
  t.equal(breaker.openMs, 0, 'older calls do not count')
  end(false)
  end(true)
  t.equal(breaker.openMs, 5_000)
})

t.test('allows one probe when half open, and closes when the probe succeeds', async (t) => {
  const { clock, breaker, changes, fail, end } = setUp()
  fail(5)
  clock.advance(4_999)
  t.equal(breaker.openMs, 1)
  clock.advance(1)
  t.equal(breaker.openMs, 0)
  const probe = breaker.enter()
  t.equal(probe.isProbe, true)
  t.equal(breaker.openMs, 5_000, 'no other call during the probe')
  breaker.report(probe, false)
  t.equal(breaker.openMs, 0)
  t.strictSame(changes, ['open', 'closed'])
  fail(4)
  end(false)
  t.equal(breaker.openMs, 0, 'the count starts from 0')
})

t.test('doubles the open time after each failed probe, up to 30 s', async (t) => {
  const { clock, breaker, changes, fail } = setUp()
  fail(5)
  for (const seconds of [5, 10, 20, 30, 30]) {
    t.equal(breaker.openMs, seconds * 1000)
    clock.advance(seconds * 1000)
    breaker.report(breaker.enter(), true)
  }
  t.strictSame(changes, ['open'])
})

t.test('does not take a call that started before it opened for the probe', async (t) => {
  const { clock, breaker, fail } = setUp()
  const slow = breaker.enter()
  fail(5)
  breaker.report(slow, false)
  t.equal(breaker.openMs, 5_000)
  clock.advance(5_000)
  const probe = breaker.enter()
  breaker.report(slow, true)
  t.equal(breaker.openMs, 5_000, 'the probe is still in progress')
  breaker.report(probe, false)
  t.equal(breaker.openMs, 0)
})

t.test('allows another probe after an abandoned one', async (t) => {
  const { clock, breaker, fail } = setUp()
  fail(5)
  clock.advance(5_000)
  breaker.abandon(breaker.enter())
  t.equal(breaker.openMs, 0)
})

t.test('ignores calls from before it opened after it has closed again', async (t) => {
  const { clock, breaker, fail } = setUp()
  const slow = Array.from({ length: 10 }, () => breaker.enter())
  fail(5)
  clock.advance(5_000)
  breaker.report(breaker.enter(), false)
  for (const call of slow) breaker.report(call, true)
  t.equal(breaker.openMs, 0)
})

t.test('does not open on a success', async (t) => {
  const { breaker, end } = setUp()
  for (let pair = 0; pair < 5; pair += 1) {
    end(true)
    end(false)
  }
  t.equal(breaker.openMs, 0)
  end(true)
  t.equal(breaker.openMs, 5_000)
})

t.test('opens with the breaker of another replica, and then allows one probe', async (t) => {
  const { clock, breaker, changes } = setUp()
  breaker.openFor(3_000)
  t.equal(breaker.openMs, 3_000)
  breaker.openFor(1_000)
  t.equal(breaker.openMs, 3_000, 'never shortened')
  t.strictSame(changes, ['open'])
  clock.advance(3_000)
  t.equal(breaker.state, 'half-open')
  const probe = breaker.enter()
  t.equal(probe.isProbe, true)
  breaker.openFor(9_000)
  breaker.report(probe, false)
  t.equal(breaker.openMs, 0, 'an own probe has the last word')
  t.strictSame(changes, ['open', 'closed'])
})

t.test('stays open as long as the breaker of another replica', async (t) => {
  const { breaker, changes, fail } = setUp()
  fail(5)
  breaker.openFor(10_000)
  t.equal(breaker.openMs, 10_000)
  t.strictSame(changes, ['open'])
})
