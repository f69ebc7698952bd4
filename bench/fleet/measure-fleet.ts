import { loadavg } from 'node:os'
import { skipWithoutRedis } from '../../test/support/redis-server.ts'
import { check, line } from '../support/report.ts'
import { measureAddedCost } from './added-cost.ts'
import { watchThroughReplicas } from './crowd.ts'
import { measureLimits } from './limits.ts'

/**
 * `npm run bench:fleet`: three replicas that share a Redis. Takes two minutes; needs redis-server; exits with 1 if a limit
 * is missed.
 *
 * 1. What Redis adds to a hit and to a miss.
 * 2. All replicas together keep to the number of calls to CDF, and pause together after a 429.
 * 3. 3,000 callers with streams, waits and regular requests watch 200 jobs through all replicas. CDF gets one read for
 *    each job and interval and never two at the same time, and every change arrives immediately.
 */
const cleanups: (() => unknown)[] = []
const owner = { teardown: (cleanup: () => unknown) => cleanups.push(cleanup) }

if (skipWithoutRedis) {
  check(false, skipWithoutRedis)
  process.exit()
}
line(`node ${process.version}, load of this machine ${loadavg()[0]?.toFixed(1)}`)
await measureAddedCost(owner)
await measureLimits(owner)
await watchThroughReplicas(owner)
for (const cleanup of cleanups.reverse()) await cleanup()
process.exit()
