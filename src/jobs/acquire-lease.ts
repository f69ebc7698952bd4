import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import { ProblemError } from '../problems/problem.ts'
import type { JobLease, SharedJob, SharedJobs } from './shared-jobs.ts'

interface AcquireLeaseOptions<Result> extends Pick<Clock, 'now' | 'schedule'> {
  shared: SharedJobs
  /** The result of a shared job, if it makes the read unnecessary. */
  accept: (job: SharedJob) => Result | undefined
  /** Greatest time to wait for other replicas; milliseconds. */
  deadlineMs: number
  signal: AbortSignal
}

/**
 * Acquires the lease of a job, or returns a result that another replica has read. While another replica holds the lease,
 * waits for its release, and tries again.
 * @throws ProblemError `upstream-timeout` at the deadline; the reason of the signal
 */
export async function acquireLease<Result>(
  jobId: JobId,
  options: AcquireLeaseOptions<Result>,
): Promise<{ result: Result } | { lease: JobLease; waitedMs: number }> {
  const { shared, accept, now, schedule, deadlineMs, signal } = options
  const startedAtMs = now()
  // From before the lookup on, so that no release is missed between the lookup and the wait.
  let released = Promise.withResolvers<void>()
  const unsubscribe = shared.onRelease((id) => {
    if (id === jobId || id === undefined) released.resolve()
  })
  const stopWaiting = () => released.resolve()
  signal.addEventListener('abort', stopWaiting, { once: true })
  try {
    for (let waitedMs = 0; ; waitedMs = now() - startedAtMs) {
      if (waitedMs >= deadlineMs) throw new ProblemError('upstream-timeout')
      released = Promise.withResolvers()
      const stored = await shared.get(jobId)
      const result = stored && accept(stored)
      signal.throwIfAborted()
      if (result) return { result }
      const acquired = await shared.acquireLease(jobId)
      if (acquired.lease) {
        // Another replica may have read the job since the lookup.
        const late = acquired.stored && accept(acquired.stored)
        if (late !== undefined || signal.aborted) acquired.lease.release()
        signal.throwIfAborted()
        return late === undefined ? { lease: acquired.lease, waitedMs } : { result: late }
      }
      signal.throwIfAborted()
      const cancel = schedule(Math.min(acquired.heldForMs, deadlineMs - waitedMs), released.resolve)
      await released.promise
      cancel()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', stopWaiting)
  }
}
