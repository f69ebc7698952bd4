import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { EventLoopLoad, isOverload } from '../src/event-loop-load.ts'
import { until } from './helper.ts'

const table: [delayMs: number, utilization: number, isOverloaded: boolean][] = [
  [0, 0, false],
  [0, 1, false],
  [250, 1, false],
  [251, 0.98, false],
  [251, 0.99, true],
  [10_000, 0.5, false],
]
for (const [delayMs, utilization, expected] of table) {
  t.test(
    `${delayMs} ms late and ${utilization} busy is ${expected ? '' : 'no '}overload`,
    async (t) => {
      t.equal(isOverload(delayMs, utilization), expected)
    },
  )
}

t.test(
  'is too high while the process does nothing but work, and not any more afterwards',
  async (t) => {
    const load = new EventLoopLoad()
    t.teardown(() => load.stop())
    while (!load.isTooHigh) {
      const endMs = performance.now() + 600
      while (performance.now() < endMs);
      await sleep(0)
    }
    await until(() => !load.isTooHigh)
  },
)
