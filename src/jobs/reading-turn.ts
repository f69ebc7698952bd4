import type { Scheduler } from '../async/scheduler.ts'
import type { JobId } from '../cdf/job-id.ts'
import { ProblemError } from '../problems/problem.ts'
import type { JobLease, SharedJob, SharedJobs } from './shared-jobs.ts'

/** Options of {@link takeReadingTurn}. */
export interface ReadingTurnOptions<Result> {
  shared: SharedJobs
  /** The result of a shared job, if it makes the read unnecessary. */
  accept: (known: SharedJob) => Result | undefined
  /** Monotonic clock, milliseconds. */
  now: () => number
  schedule: Scheduler
  /** Greatest time to wait for other replicas; milliseconds. */
  deadlineMs: number
  signal: AbortSignal
}

/**
 * Takes turns with the other replicas to read a job: returns the right to read it, or a result that another replica has
 * read. While another one reads the job, waits for its result; if it had none, competes again.
 * @throws ProblemError `upstream-timeout` at the deadline; the reason of the signal
 */
export async function takeReadingTurn<Result>(
  jobId: JobId,
  options: ReadingTurnOptions<Result>,
): Promise<{ result: Result } | { lease: JobLease; waitedMs: number }> {
  const { shared, accept, now, schedule, deadlineMs, signal } = options
  const startedAtMs = now()
  // From before the lookup on, so that no announcement is missed between the lookup and the wait.
  let announced = Promise.withResolvers<void>()
  const unsubscribe = shared.announcements.subscribe((id) => {
    if (id === jobId || id === undefined) announced.resolve()
  })
  const stopWaiting = () => announced.resolve()
  signal.addEventListener('abort', stopWaiting, { once: true })
  try {
    for (let waitedMs = 0; ; waitedMs = now() - startedAtMs) {
      if (waitedMs >= deadlineMs) throw new ProblemError('upstream-timeout')
      announced = Promise.withResolvers()
      const known = await shared.store.get(jobId)
      const result = known && accept(known)
      signal.throwIfAborted()
      if (result) return { result }
      const turn = await shared.leases.acquire(jobId)
      if (turn.lease) {
        // Another replica may have read the job since the lookup.
        const late = turn.known && accept(turn.known)
        if (late !== undefined || signal.aborted) turn.lease.release()
        signal.throwIfAborted()
        return late === undefined ? { lease: turn.lease, waitedMs } : { result: late }
      }
      signal.throwIfAborted()
      const cancel = schedule(Math.min(turn.heldForMs, deadlineMs - waitedMs), announced.resolve)
      await announced.promise
      cancel()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', stopWaiting)
  }
}
