/** The callers that share one read of CDF. More can join while it is queued. */
export class WaitingCallers {
  readonly #callers = new Set<string>()
  #onJoin: ((callerKey: string) => void) | undefined

  /** @param callers keys of the first callers */
  constructor(...callers: string[]) {
    for (const caller of callers) this.join(caller)
  }

  /** The keys of the callers. */
  get keys(): ReadonlySet<string> {
    return this.#callers
  }

  /** Adds a caller. */
  join(callerKey: string): void {
    if (this.#callers.has(callerKey)) return
    this.#callers.add(callerKey)
    this.#onJoin?.(callerKey)
  }

  /**
   * Calls the listener for each caller, and for each that joins later. Only one listener at a time.
   * @returns a function that removes the listener
   */
  follow(listener: (callerKey: string) => void): () => void {
    for (const caller of this.#callers) listener(caller)
    this.#onJoin = listener
    return () => {
      this.#onJoin = undefined
    }
  }
}
