import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { JobPoller, JobSubscriber } from './job-poller.ts'
import type { ReadContext } from './job-quality-reader.ts'
import { isFinal, type ReadResult } from './read-result.ts'

/** Options of {@link waitForChange}. */
export interface WaitOptions extends Pick<Clock, 'schedule'> {
  poller: Pick<JobPoller, 'subscribe' | 'unsubscribe' | 'latest'>
  /** Greatest time to wait, milliseconds. */
  waitMs: number
  /** Whether a state that is not final ends the wait. */
  hasChanged: (result: ReadResult) => boolean
  context: ReadContext
}

/**
 * Waits until the state of a job is final or `hasChanged` is true for it. After `waitMs`, or when the process drains: its
 * latest state. Transient problems do not end the wait.
 * @param current the state before the wait
 * @throws the reason of `context.signal`
 */
export function waitForChange(
  jobId: JobId,
  current: ReadResult,
  { poller, schedule, waitMs, hasChanged, context }: WaitOptions,
): Promise<ReadResult> {
  const { signal } = context
  return new Promise((resolve, reject) => {
    const finish = (result: ReadResult) => {
      stop()
      resolve(result)
    }
    const subscriber: JobSubscriber = {
      onUpdate: (_jobId, result) => {
        if (isFinal(result) || (result.response && hasChanged(result))) finish(result)
      },
      onEnd: (_jobId, last) => finish(last),
    }
    const abort = () => {
      stop()
      reject(signal.reason)
    }
    const cancelTimeout = schedule(waitMs, () => finish(poller.latest(jobId) ?? current))
    const stop = () => {
      cancelTimeout()
      signal.removeEventListener('abort', abort)
      poller.unsubscribe(jobId, subscriber)
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    poller.subscribe(jobId, subscriber, context, current)
  })
}
