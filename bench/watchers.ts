import { watchAll } from './watchers-crowd.ts'
import { check, line } from './watchers-report.ts'
import { comeAndGo } from './watchers-waves.ts'

/**
 * `npm run bench:watchers`: what watching costs, in two parts and less than two minutes. Ends with 1 if a limit is
 * missed.
 *
 * 1. 10,000 callers, half of them with a stream and half with a waiting request, over 100 jobs that change: nothing
 *    fails, CDF is asked for a job at most once a second and never twice at once, everybody hears of a change within a
 *    second of the service's knowing it, a watcher takes less than 40 KiB, and a cached answer comes as ever.
 * 2. 100,000 streams come and go in waves, half of them with FIN and half with RST: memory, descriptors, sockets and
 *    timers come back to where they were after the first waves, and with the last stream gone CDF is asked no more.
 *
 * The service is a process of its own as in production, and so are the callers; CDF, the identity provider and the
 * reader of cached answers are here. Service and callers want 11,000 file descriptors each (`ulimit -n`).
 */
/** The whole run may take this long, in milliseconds. */
const LIMIT_MS = 300_000

setTimeout(() => {
  check(false, `not over after ${LIMIT_MS / 1000} s`)
  process.exit()
}, LIMIT_MS).unref()

line(`node ${process.version}`)
await watchAll()
await comeAndGo()
process.exit()
