import t from 'tap'
import { RateLimit } from '../../src/callers/rate-limit.ts'
import { FakeClock } from '../helper.ts'

const start = (maxCallers = 10) => {
  const clock = new FakeClock()
  const limit = new RateLimit({ max: 2, windowMs: 60_000, maxCallers, now: clock.now })
  return { clock, limit }
}

t.test(
  'lets so many requests of a caller through in a window, and counts each caller apart',
  async (t) => {
    const { clock, limit } = start()
    t.strictSame(
      [limit.secondsOver('a'), limit.secondsOver('a'), limit.secondsOver('a')],
      [0, 0, 60],
    )
    t.equal(limit.secondsOver('b'), 0)
    clock.advance(58_500)
    t.equal(limit.secondsOver('a'), 2, 'what is left of the window, rounded up')
    clock.advance(1_500)
    t.equal(limit.secondsOver('a'), 0, 'a new window')
  },
)

t.test('forgets whose window began first', async (t) => {
  const { limit } = start(2)
  for (const caller of ['a', 'a', 'b', 'c']) limit.secondsOver(caller)
  t.equal(limit.secondsOver('a'), 0)
})

t.test('a window that begins anew is not the first any more', async (t) => {
  const { clock, limit } = start(2)
  for (const caller of ['a', 'b']) limit.secondsOver(caller)
  clock.advance(60_000)
  for (const caller of ['a', 'c']) limit.secondsOver(caller)
  t.strictSame([limit.secondsOver('a'), limit.secondsOver('a')], [0, 60], 'b was forgotten')
  for (const caller of ['d', 'e', 'f']) limit.secondsOver(caller)
  t.equal(limit.secondsOver('a'), 0, 'now it was')
  t.strictSame([limit.secondsOver('f'), limit.secondsOver('f')], [0, 60])
})
