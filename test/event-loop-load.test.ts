import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { EventLoopLoad } from '../src/event-loop-load.ts'
import { until } from './helper.ts'

t.test(
  'is too high while the process does nothing but work, and not any more afterwards',
  async (t) => {
    const load = new EventLoopLoad()
    t.teardown(() => load.stop())
    t.equal(load.isTooHigh, false)
    while (!load.isTooHigh) {
      const endMs = performance.now() + 600
      while (performance.now() < endMs);
      await sleep(0)
    }
    await until(() => !load.isTooHigh)
  },
)
