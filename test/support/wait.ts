/** Longer pauses between two checks leave more of the machine to the tests that run at the same time. */
const MAX_PAUSE_MS = 16

/** Resolves as soon as the condition holds. The time limit of the test ends a wait that never succeeds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let ms = 1; !(await condition()); ms = Math.min(2 * ms, MAX_PAUSE_MS))
    await new Promise((resolve) => setTimeout(resolve, ms))
}

/** Lets all promise callbacks that are already queued run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
