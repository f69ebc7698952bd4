import { check, line } from '../support/report.ts'
import { watchChanges } from './crowd.ts'
import { connectAndDisconnect } from './waves.ts'

/**
 * `npm run bench:watchers`: the cost of event streams and waiting requests. Takes less than two minutes; exits with 1 if a
 * limit is missed.
 *
 * 1. 10,000 callers, half with a stream and half with a waiting request, over 100 jobs that change. No request fails, CDF
 *    gets at most one request per job and second and never two at the same time, every change arrives within a second, a watcher
 *    takes less than 40 KiB, and cached responses stay fast.
 * 2. 100,000 streams connect and disconnect in waves, half of them with FIN and half with RST. Memory, descriptors, sockets
 *    and timers return to the level of the first waves, and requests to CDF stop with the last stream.
 *
 * The service and the callers run in their own processes. Each needs 11,000 file descriptors (`ulimit -n`).
 */
/** Time limit of the whole run. */
const LIMIT_MS = 300_000

setTimeout(() => {
  check(false, `not finished after ${LIMIT_MS / 1000} s`)
  process.exit()
}, LIMIT_MS).unref()

line(`node ${process.version}`)
await watchChanges()
await connectAndDisconnect()
process.exit()
