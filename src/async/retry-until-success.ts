import { setTimeout as sleep } from 'node:timers/promises'

/** The first retry is early, because dependencies often start together with this process. */
const DELAY_MS = { first: 500, max: 5_000 }

/**
 * Repeats an attempt with exponential backoff until it succeeds or the signal aborts. Never rejects, and does not keep
 * the process alive.
 */
export async function retryUntilSuccess(
  attempt: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for (
    let delayMs = DELAY_MS.first;
    !signal.aborted;
    delayMs = Math.min(2 * delayMs, DELAY_MS.max)
  ) {
    const succeeded = await attempt().then(
      () => true,
      () => false,
    )
    if (succeeded) return
    await sleep(delayMs, undefined, { signal, ref: false }).catch(() => {})
  }
}
