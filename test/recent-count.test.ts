import t from 'tap'
import { RecentCount } from '../src/recent-count.ts'
import { FakeClock } from './helper.ts'

t.test('counts what happened within the window, and forgets the rest one by one', async (t) => {
  const clock = new FakeClock()
  const count = new RecentCount(1_000, clock.now)
  t.equal(count.value, 0)
  for (let times = 0; times < 10; times += 1) {
    count.add()
    clock.advance(100)
  }
  const values = []
  for (let step = 0; step < 11; step += 1) {
    values.push(count.value)
    clock.advance(100)
  }
  t.strictSame(values, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0])
})

t.test('counts on while it forgets', async (t) => {
  const clock = new FakeClock()
  const count = new RecentCount(1_000, clock.now)
  for (let times = 0; times < 5_000; times += 1) {
    clock.advance(10)
    count.add()
  }
  t.equal(count.value, 100)
  count.reset()
  t.equal(count.value, 0)
  count.add()
  t.equal(count.value, 1)
})
