/** Resolves as soon as the condition holds. The time limit of the test ends a wait that never succeeds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Lets all promise callbacks that are already queued run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
