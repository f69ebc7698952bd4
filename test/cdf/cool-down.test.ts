import t from 'tap'
import { CoolDown } from '../../src/cdf/cool-down.ts'
import { FakeClock } from '../helper.ts'

function setUp(random = () => 0) {
  const clock = new FakeClock()
  return { clock, coolDown: new CoolDown({ now: clock.now, random }) }
}

t.test('doubles from one second to thirty while CDF goes on throttling', async (t) => {
  const { clock, coolDown } = setUp()
  t.equal(coolDown.leftMs, 0)
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    t.equal(coolDown.throttled(undefined), true)
    t.equal(coolDown.leftMs, seconds * 1000)
    clock.advance(seconds * 1000)
    t.equal(coolDown.leftMs, 0)
  }
})

t.test('begins anew after an answer', async (t) => {
  const { clock, coolDown } = setUp()
  coolDown.throttled(undefined)
  clock.advance(1_000)
  coolDown.throttled(undefined)
  clock.advance(2_000)
  coolDown.answered()
  coolDown.throttled(undefined)
  t.equal(coolDown.leftMs, 1_000)
})

t.test(
  'takes requests that were throttled together for one, and no late answer for the end of it',
  async (t) => {
    const { clock, coolDown } = setUp()
    t.strictSame(
      [1, 2, 3].map(() => coolDown.throttled(undefined)),
      [true, false, false],
    )
    t.equal(coolDown.leftMs, 1_000)
    coolDown.answered()
    clock.advance(1_000)
    coolDown.throttled(undefined)
    t.equal(coolDown.leftMs, 2_000)
  },
)

t.test('obeys CDF if it says how long, and the longest of what it says', async (t) => {
  const { coolDown } = setUp()
  t.equal(coolDown.throttled(7), true)
  t.equal(coolDown.leftMs, 7_000)
  t.equal(coolDown.throttled(42), false)
  t.equal(coolDown.leftMs, 42_000)
  coolDown.throttled(3)
  t.equal(coolDown.leftMs, 42_000)
})

t.test('adds a little at random', async (t) => {
  const { coolDown } = setUp(() => 0.5)
  coolDown.throttled(undefined)
  t.equal(coolDown.leftMs, 1_100)
})

t.test('grows although CDF names a short time again and again', async (t) => {
  const { clock, coolDown } = setUp()
  for (const seconds of [1, 2, 4, 8]) {
    coolDown.throttled(1)
    t.equal(coolDown.leftMs, seconds * 1000)
    clock.advance(seconds * 1000)
  }
})
