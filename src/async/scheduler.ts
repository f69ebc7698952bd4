/** Runs a task once after a delay in milliseconds, and returns a function that cancels it. */
export type Scheduler = (delayMs: number, task: () => void) => () => void

/** Node's timers run immediately if the delay does not fit 31 bits. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** {@link Scheduler} with `setTimeout`. A delay of more than 24 days is shortened to 24 days. */
export const scheduleTimeout: Scheduler = (delayMs, task) => {
  const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS))
  return () => clearTimeout(timer)
}
