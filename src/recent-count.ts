/** How often something has happened lately. It costs the same whether that is ten times or ten thousand. */
export class RecentCount {
  readonly #windowMs: number
  readonly #now: () => number
  /** Oldest first; those before the head are over. */
  #timesMs: number[] = []
  #head = 0

  /**
   * @param windowMs what happened longer ago does not count
   * @param now monotonic clock, milliseconds
   */
  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs
    this.#now = now
  }

  /** It has happened now. */
  add(): void {
    this.#forgetOld()
    this.#timesMs.push(this.#now())
  }

  /** How often within the window. */
  get value(): number {
    this.#forgetOld()
    return this.#timesMs.length - this.#head
  }

  /** As if it had never happened. */
  reset(): void {
    this.#timesMs = []
    this.#head = 0
  }

  #forgetOld(): void {
    const sinceMs = this.#now() - this.#windowMs
    while ((this.#timesMs[this.#head] ?? Number.POSITIVE_INFINITY) <= sinceMs) this.#head += 1
    // Moving the rest only when it is the smaller half keeps the cost of each time constant.
    if (this.#head * 2 <= this.#timesMs.length) return
    this.#timesMs = this.#timesMs.slice(this.#head)
    this.#head = 0
  }
}
