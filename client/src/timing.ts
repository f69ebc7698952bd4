import { onAbort } from './on-abort.ts'

/** Clock, timers and random numbers. Tests replace them. */
export interface Timing {
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** Runs a task once after a delay in milliseconds, and returns a function that cancels it. */
  schedule: (delayMs: number, task: () => void) => () => void
  /** 0 ≤ random() < 1. */
  random: () => number
}

/** The clock, timers and random numbers of the platform. */
export const systemTiming: Timing = {
  now: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  },
  random: Math.random,
}

/** The least and the greatest delay before a retry without `Retry-After`. */
const DELAY_MS = { min: 1_000, max: 30_000 }
/** Longer delays are cut: a timer of more than 24 days would run immediately. */
const MAX_RETRY_AFTER_MS = 3_600_000
/** Up to this share is added, so that clients that lost the same instance do not return together. */
const JITTER = 0.5

/** Options of {@link retryDelayMs}. */
export interface RetryDelayOptions {
  /** Number of failures in a row before this one. Each doubles the delay. */
  failures: number
  /** The delay after the first failure, milliseconds. At least one second, which is the default. */
  baseMs?: number
  /** The least delay according to the service. */
  retryAfterSeconds?: number | undefined
  random: () => number
}

/** The delay before the next attempt, in milliseconds: exponential backoff, at least `Retry-After`, and jitter. */
export function retryDelayMs(options: RetryDelayOptions): number {
  const { failures, baseMs = 0, retryAfterSeconds = 0, random } = options
  const backoffMs = Math.min(Math.max(baseMs, DELAY_MS.min) * 2 ** failures, DELAY_MS.max)
  const retryAfterMs = Math.min(1000 * retryAfterSeconds, MAX_RETRY_AFTER_MS)
  return Math.max(backoffMs, retryAfterMs) * (1 + JITTER * random())
}

/**
 * Waits.
 * @throws the reason of the signal
 */
export function sleep(
  delayMs: number,
  { schedule }: Pick<Timing, 'schedule'>,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stopListening = onAbort(signal, () => {
      cancel()
      reject(signal?.reason)
    })
    const cancel = schedule(delayMs, () => {
      stopListening()
      resolve()
    })
  })
}
