import t from 'tap'
import { RateLimit } from '../../src/limits/rate-limit.ts'
import { FakeClock } from '../support/fake-clock.ts'

const start = (maxCallers = 10) => {
  const clock = new FakeClock()
  const limit = new RateLimit({ max: 2, windowMs: 60_000, maxCallers, now: clock.now })
  return { clock, limit }
}

/** Counts requests of these callers. True = within the limit. */
const allows = (limit: RateLimit, ...callers: string[]) =>
  callers.map((caller) => !limit.consume(caller).isExceeded)

t.test('limits the requests of each caller per window', async (t) => {
  const { clock, limit } = start()
  t.strictSame(
    [limit.consume('a'), limit.consume('a'), limit.consume('a'), limit.consume('a')],
    [
      { isExceeded: false, remaining: 1, resetSeconds: 60 },
      { isExceeded: false, remaining: 0, resetSeconds: 60 },
      { isExceeded: true, remaining: 0, resetSeconds: 60 },
      { isExceeded: true, remaining: 0, resetSeconds: 60 },
    ],
  )
  t.match(limit.consume('b'), { remaining: 1 })
  clock.advance(58_500)
  t.match(limit.consume('a'), { isExceeded: true, resetSeconds: 2 }, 'seconds, rounded up')
  clock.advance(1_500)
  t.match(limit.consume('a'), { isExceeded: false, remaining: 1, resetSeconds: 60 }, 'a new window')
})

t.test('never says more seconds than the window has, whatever the clock shows', async (t) => {
  // In binary, (116066.34771862834 + 60000) - 116066.34771862834 is a little more than 60000.
  const limit = new RateLimit({
    max: 2,
    windowMs: 60_000,
    maxCallers: 1,
    now: () => 116066.34771862834,
  })
  t.equal(limit.consume('a').resetSeconds, 60)
})

t.test('drops the least recently used window', async (t) => {
  const { limit } = start(2)
  allows(limit, 'a', 'a', 'b', 'c')
  t.strictSame(allows(limit, 'a'), [true])
})

t.test('treats a caller with a new window as recently used', async (t) => {
  const { clock, limit } = start(2)
  allows(limit, 'a', 'b')
  clock.advance(60_000)
  allows(limit, 'a', 'c')
  t.strictSame(allows(limit, 'a', 'a'), [true, false], 'b was dropped')
  allows(limit, 'd', 'e', 'f')
  t.strictSame(allows(limit, 'a'), [true], 'a is evicted')
  t.strictSame(allows(limit, 'f', 'f'), [true, false])
})
