import t from 'tap'
import { CoolDown } from '../../../src/cdf/resilience/cool-down.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function setUp(random = () => 0) {
  const clock = new FakeClock()
  return { clock, coolDown: new CoolDown({ now: clock.now, random }) }
}

t.test('doubles the cool-down from 1 s up to 30 s with each further 429', async (t) => {
  const { clock, coolDown } = setUp()
  t.equal(coolDown.remainingMs, 0)
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    t.equal(coolDown.throttled(undefined), true)
    t.equal(coolDown.remainingMs, seconds * 1000)
    clock.advance(seconds * 1000)
    t.equal(coolDown.remainingMs, 0)
  }
})

t.test('starts again with 1 s after a response', async (t) => {
  const { clock, coolDown } = setUp()
  coolDown.throttled(undefined)
  clock.advance(1_000)
  coolDown.throttled(undefined)
  clock.advance(2_000)
  coolDown.answered()
  coolDown.throttled(undefined)
  t.equal(coolDown.remainingMs, 1_000)
})

t.test('counts concurrent 429s once, and ignores responses during the cool-down', async (t) => {
  const { clock, coolDown } = setUp()
  t.strictSame(
    [1, 2, 3].map(() => coolDown.throttled(undefined)),
    [true, false, false],
  )
  t.equal(coolDown.remainingMs, 1_000)
  coolDown.answered()
  clock.advance(1_000)
  coolDown.throttled(undefined)
  t.equal(coolDown.remainingMs, 2_000)
})

t.test('uses the longest Retry-After of CDF', async (t) => {
  const { coolDown } = setUp()
  t.equal(coolDown.throttled(7), true)
  t.equal(coolDown.remainingMs, 7_000)
  t.equal(coolDown.throttled(42), false)
  t.equal(coolDown.remainingMs, 42_000)
  coolDown.throttled(3)
  t.equal(coolDown.remainingMs, 42_000)
})

t.test('adds jitter of up to 20 %', async (t) => {
  const { coolDown } = setUp(() => 0.5)
  coolDown.throttled(undefined)
  t.equal(coolDown.remainingMs, 1_100)
})

t.test('doubles the cool-down even if CDF always sends a short Retry-After', async (t) => {
  const { clock, coolDown } = setUp()
  for (const seconds of [1, 2, 4, 8]) {
    coolDown.throttled(1)
    t.equal(coolDown.remainingMs, seconds * 1000)
    clock.advance(seconds * 1000)
  }
})

t.test('is extended by the cool-down of another replica, and never shortened', async (t) => {
  const { clock, coolDown } = setUp()
  t.equal(coolDown.extend(2_000), true)
  t.equal(coolDown.remainingMs, 2_000)
  t.equal(coolDown.extend(500), false)
  t.equal(coolDown.remainingMs, 2_000)
  t.equal(coolDown.extend(3_000), false)
  clock.advance(3_000)
  t.equal(coolDown.remainingMs, 0)
})

t.test('counts the cool-down of another replica when it doubles', async (t) => {
  const { clock, coolDown } = setUp()
  coolDown.extend(1_000)
  clock.advance(1_000)
  coolDown.throttled(undefined)
  t.equal(coolDown.remainingMs, 2_000)
  clock.advance(2_000)
  coolDown.answered()
  coolDown.throttled(undefined)
  t.equal(coolDown.remainingMs, 1_000)
})
