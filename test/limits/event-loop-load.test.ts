import t from 'tap'
import { EventLoopLoad, isOverload } from '../../src/limits/event-loop-load.ts'
import { settle, until } from '../support/wait.ts'

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
    `${expected ? 'reports' : 'does not report'} overload for a delay of ${delayMs} ms and a utilization of ${utilization}`,
    async (t) => {
      t.equal(isOverload(delayMs, utilization), expected)
    },
  )
}

t.test(
  'reports overload while synchronous work blocks the event loop, and recovers afterwards',
  async (t) => {
    const load = new EventLoopLoad()
    t.teardown(() => load.stop())
    while (!load.isOverloaded) {
      const endMs = performance.now() + 600
      while (performance.now() < endMs);
      await settle()
    }
    t.equal(load.isOverloaded, true)
    await until(() => !load.isOverloaded)
    t.equal(load.isOverloaded, false)
  },
)
