import t from 'tap'
import { RateLimit } from '../../src/limits/rate-limit.ts'
import { FakeClock } from '../support/fake-clock.ts'

const start = (maxCallers = 10) => {
  const clock = new FakeClock()
  const limit = new RateLimit({ max: 2, windowMs: 60_000, maxCallers, now: clock.now })
  return { clock, limit }
}

t.test('limits the requests of each caller per window', async (t) => {
  const { clock, limit } = start()
  t.strictSame([limit.consume('a'), limit.consume('a'), limit.consume('a')], [0, 0, 60])
  t.equal(limit.consume('b'), 0)
  clock.advance(58_500)
  t.equal(limit.consume('a'), 2, 'the seconds until the window ends, rounded up')
  clock.advance(1_500)
  t.equal(limit.consume('a'), 0, 'a new window')
})

t.test('drops the least recently used window', async (t) => {
  const { limit } = start(2)
  for (const caller of ['a', 'a', 'b', 'c']) limit.consume(caller)
  t.equal(limit.consume('a'), 0)
})

t.test('treats a caller with a new window as recently used', async (t) => {
  const { clock, limit } = start(2)
  for (const caller of ['a', 'b']) limit.consume(caller)
  clock.advance(60_000)
  for (const caller of ['a', 'c']) limit.consume(caller)
  t.strictSame([limit.consume('a'), limit.consume('a')], [0, 60], 'b was dropped')
  for (const caller of ['d', 'e', 'f']) limit.consume(caller)
  t.equal(limit.consume('a'), 0, 'a is evicted')
  t.strictSame([limit.consume('f'), limit.consume('f')], [0, 60])
})
