import type { After } from '../after.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { JobRead } from './job-read.ts'
import { isFinal } from './job-read.ts'
import type { CallOrigin, JobWatches, Watcher } from './job-watches.ts'

/** What {@link waitForChange} waits with. */
export interface WaitOptions {
  watches: Pick<JobWatches, 'watch' | 'unwatch' | 'latest'>
  after: After
  /** Greatest time to wait. */
  waitMs: number
  /** Whether the caller wants to know of a state that is not final. */
  isNews: (read: JobRead) => boolean
  /** The caller's: when it aborts, the promise rejects with its reason. */
  signal: AbortSignal
  origin: CallOrigin
}

/**
 * The state of a job as soon as it is news or final, else as it was read last when the time is over or the process
 * drains. A failure that may pass is waited out.
 * @param current the state that the caller would get without waiting
 */
export function waitForChange(
  jobId: JobId,
  current: JobRead,
  { watches, after, waitMs, isNews, signal, origin }: WaitOptions,
): Promise<JobRead> {
  return new Promise((resolve, reject) => {
    const finish = (read: JobRead) => {
      leave()
      resolve(read)
    }
    const watcher: Watcher = {
      told: (_jobId, read) => {
        if (isFinal(read) || (read.answer && isNews(read))) finish(read)
      },
      ended: (_jobId, last) => finish(last),
    }
    const abort = () => {
      leave()
      reject(signal.reason)
    }
    const cancelTimeout = after(waitMs, () => finish(watches.latest(jobId) ?? current))
    const leave = () => {
      cancelTimeout()
      signal.removeEventListener('abort', abort)
      watches.unwatch(jobId, watcher)
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    watches.watch(jobId, watcher, origin, current)
  })
}

/**
 * What a promise gives, or something else if that takes longer.
 * @param limitMs 0 or more
 */
export function within<Value, Other>(
  promise: Promise<Value>,
  limitMs: number,
  after: After,
  other: Other,
): Promise<Value | Other> {
  return new Promise((resolve, reject) => {
    const cancel = after(limitMs, () => resolve(other))
    promise.then(resolve, reject).finally(cancel)
  })
}
