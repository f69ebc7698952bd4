import type { JobQuality } from './contract.ts'
import type { JobReader, JobResponse } from './job-reader.ts'
import { ProblemError } from './problem-error.ts'
import { retryDelayMs, sleep, type Timing } from './timing.ts'

/** Called before the retry of a failed request: the failure and the delay in milliseconds. */
export type OnRetry = (error: ProblemError, delayMs: number) => void

/** Options of {@link waitUntilDone}. */
export interface WaitOptions {
  /** Ends the wait. Without it, the wait has no time limit. */
  signal?: AbortSignal | undefined
  /** Called with the current state and each later one. */
  onChange?: ((quality: JobQuality) => void) | undefined
  onRetry?: OnRetry | undefined
}

/** The longest wait that the service supports. */
const WAIT_SECONDS = 25

/**
 * Waits until a job is done. The service holds each request until the job changes, for 25 s at most. Transient problems
 * are retried.
 * @throws ProblemError if a problem is permanent; the reason of the signal
 */
export async function waitUntilDone(
  jobId: string,
  reader: JobReader,
  timing: Timing,
  { signal, onChange, onRetry }: WaitOptions,
): Promise<JobQuality> {
  let known: JobResponse | undefined = reader.kept(jobId)
  let shown = ''
  let failures = 0
  /** The first request, and the first after a failure, do not wait. */
  let waitSeconds: number | undefined
  for (;;) {
    const startedAtMs = timing.now()
    let delayMs = 0
    try {
      known = await reader.read(jobId, { signal, known, waitSeconds })
      const { quality, retryAfterSeconds } = known
      const state = JSON.stringify(quality)
      const isNew = state !== shown
      if (isNew) onChange?.(quality)
      if (quality.done) return quality
      // A draining instance does not wait. Two replicas may have different states until both have read CDF again.
      const leastMs = retryDelayMs({
        failures: 0,
        retryAfterSeconds: isNew ? 0 : retryAfterSeconds,
        random: timing.random,
      })
      if (waitSeconds) delayMs = leastMs - (timing.now() - startedAtMs)
      shown = state
      failures = 0
      waitSeconds = WAIT_SECONDS
    } catch (error) {
      if (!(error instanceof ProblemError && error.isTransient)) throw error
      const { retryAfterSeconds } = error
      delayMs = retryDelayMs({ failures, retryAfterSeconds, random: timing.random })
      failures += 1
      waitSeconds = undefined
      onRetry?.(error, delayMs)
    }
    if (delayMs > 0) await sleep(delayMs, timing, signal)
  }
}
