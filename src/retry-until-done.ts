import { setTimeout as sleep } from 'node:timers/promises'

/** Between two attempts: short at first, since what is missing often starts together with this process. */
const DELAY_MS = { first: 500, greatest: 5_000 }

/**
 * Attempts until one succeeds or the signal aborts; never rejects and keeps no process alive. For what must be had once
 * before the process is ready, since probes call nobody.
 */
export async function retryUntilDone(
  attempt: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for (
    let delayMs = DELAY_MS.first;
    !signal.aborted;
    delayMs = Math.min(2 * delayMs, DELAY_MS.greatest)
  ) {
    const isDone = await attempt().then(
      () => true,
      () => false,
    )
    if (isDone) return
    await sleep(delayMs, undefined, { signal, ref: false }).catch(() => {})
  }
}
