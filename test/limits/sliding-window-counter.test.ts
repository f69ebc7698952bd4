import t from 'tap'
import { SlidingWindowCounter } from '../../src/limits/sliding-window-counter.ts'
import { FakeClock } from '../support/fake-clock.ts'

t.test('counts the events within the window', async (t) => {
  const clock = new FakeClock()
  const counter = new SlidingWindowCounter(1_000, clock.now)
  t.equal(counter.value, 0)
  for (let times = 0; times < 10; times += 1) {
    counter.add()
    clock.advance(100)
  }
  const values = []
  for (let step = 0; step < 11; step += 1) {
    values.push(counter.value)
    clock.advance(100)
  }
  t.strictSame(values, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0])
})

t.test(
  'keeps counting while events leave the window, and counts from 0 after a reset',
  async (t) => {
    const clock = new FakeClock()
    const counter = new SlidingWindowCounter(1_000, clock.now)
    for (let times = 0; times < 5_000; times += 1) {
      clock.advance(10)
      counter.add()
    }
    t.equal(counter.value, 100)
    counter.reset()
    t.equal(counter.value, 0)
    counter.add()
    t.equal(counter.value, 1)
  },
)
