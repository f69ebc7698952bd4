/** Runs a task once after a delay in milliseconds, and returns a function that cancels it. */
export type Scheduler = (delayMs: number, task: () => void) => () => void

/** Time and chance. Tests replace them. */
export interface Clock {
  /** Monotonic time, milliseconds. */
  readonly now: () => number
  /** Time of day, milliseconds since the epoch. */
  readonly wallNow: () => number
  /** Timers of {@link Clock.now}. */
  readonly schedule: Scheduler
  /** 0 ≤ random() < 1. */
  readonly random: () => number
}

/** Node's timers run immediately if the delay does not fit 31 bits. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** {@link Scheduler} with `setTimeout`. A delay of more than 24 days is shortened to 24 days. */
export const scheduleTimeout: Scheduler = (delayMs, task) => {
  const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS))
  return () => clearTimeout(timer)
}

/** The clock of this machine. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wallNow: Date.now,
  schedule: scheduleTimeout,
  random: Math.random,
}
