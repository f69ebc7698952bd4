/** Does something once, after a time in milliseconds; gives back how to call it off. */
export type After = (delayMs: number, work: () => void) => () => void

/** Beyond this Node's timers run at once (they count in 31 bits). */
const MAX_DELAY_MS = 2 ** 31 - 1

/** {@link After} by Node's timers; what would be later than in 24 days is done then. */
export const afterTimeout: After = (delayMs, work) => {
  const timer = setTimeout(work, Math.min(delayMs, MAX_DELAY_MS))
  return () => clearTimeout(timer)
}
