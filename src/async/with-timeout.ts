import type { Scheduler } from './clock.ts'

/**
 * The value of a promise, or `fallback` if it takes longer than `timeoutMs`. The work behind the promise goes on.
 * @param timeoutMs milliseconds, 0 or more
 */
export function withTimeout<Value, Fallback>(
  promise: Promise<Value>,
  timeoutMs: number,
  schedule: Scheduler,
  fallback: Fallback,
): Promise<Value | Fallback> {
  return new Promise((resolve, reject) => {
    const cancel = schedule(timeoutMs, () => resolve(fallback))
    promise.then(resolve, reject).finally(cancel)
  })
}
