import t from 'tap'
import { FailureLimit } from '../../src/limits/failure-limit.ts'
import { FakeClock } from '../support/fake-clock.ts'

function setUp({ maxAddresses = 10 } = {}) {
  const clock = new FakeClock()
  const { now, schedule } = clock
  const exceeded: [address: string, failures: number][] = []
  const limit = new FailureLimit({
    maxFailures: 2,
    windowMs: 60_000,
    maxAddresses,
    now,
    schedule,
    onExceeded: (address, failures) => exceeded.push([address, failures]),
  })
  return { clock, limit, exceeded }
}

t.test('limits the failures of each address until the window ends', async (t) => {
  const { clock, limit } = setUp()
  t.strictSame([limit.add('a'), limit.add('a')], [0, 0])
  t.notOk(limit.isExceeded('a'))
  clock.advance(500)
  t.equal(limit.add('a'), 60, 'the seconds until the window ends, rounded up')
  t.ok(limit.isExceeded('a'))
  t.equal(limit.add('b'), 0)
  t.notOk(limit.isExceeded('c'))
  clock.advance(59_500)
  t.notOk(limit.isExceeded('a'))
  t.equal(limit.add('a'), 0, 'a new window')
})

t.test('reports each address above the limit once per window, with its failures', async (t) => {
  const { clock, limit, exceeded } = setUp()
  for (const address of ['a', 'a', 'b', 'a', 'c', 'c', 'c', 'a']) limit.add(address)
  t.strictSame(exceeded, [])
  clock.advance(60_000)
  t.strictSame(exceeded, [
    ['a', 4],
    ['c', 3],
  ])
  limit.add('a')
  clock.advance(60_000)
  t.equal(exceeded.length, 2)
  t.equal(clock.timers.size, 0, 'no timer without a failure')
})

t.test('starts a window with the first failure', async (t) => {
  const { clock, limit } = setUp()
  clock.advance(59_000)
  limit.add('a')
  limit.add('a')
  clock.advance(30_000)
  t.equal(limit.add('a'), 30)
})

t.test('reports when the window is ended early', async (t) => {
  const { clock, limit, exceeded } = setUp()
  for (let failure = 0; failure < 3; failure += 1) limit.add('a')
  limit.endWindow()
  t.strictSame(exceeded, [['a', 3]])
  t.equal(clock.timers.size, 0)
})

t.test('limits further addresses no more when it counts too many', async (t) => {
  const { limit, exceeded } = setUp({ maxAddresses: 2 })
  for (let failure = 0; failure < 5; failure += 1) {
    for (const address of ['a', 'b', 'c']) limit.add(address)
  }
  t.ok(limit.isExceeded('b'))
  t.notOk(limit.isExceeded('c'))
  limit.endWindow()
  t.strictSame(
    exceeded.map(([address]) => address),
    ['a', 'b'],
  )
})

t.test('starts a new window even if the timer of the last one is late', async (t) => {
  const { clock, limit, exceeded } = setUp()
  for (let failure = 0; failure < 3; failure += 1) limit.add('a')
  clock.nowMs += 60_001
  t.equal(limit.add('a'), 0)
  t.strictSame(exceeded, [['a', 3]])
  t.equal(clock.timers.size, 1)
})
