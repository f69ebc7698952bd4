/** Counts the events of a sliding time window. Amortized constant time per event. */
export class SlidingWindowCounter {
  readonly #windowMs: number
  readonly #now: () => number
  /** Oldest first. Those before `#head` are outside the window. */
  #timesMs: number[] = []
  #head = 0

  /**
   * @param windowMs length of the window
   * @param now monotonic clock, milliseconds
   */
  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs
    this.#now = now
  }

  /** Counts an event. */
  add(): void {
    this.#dropOld()
    this.#timesMs.push(this.#now())
  }

  /** Number of events in the window. */
  get value(): number {
    this.#dropOld()
    return this.#timesMs.length - this.#head
  }

  /** Drops all events. */
  reset(): void {
    this.#timesMs = []
    this.#head = 0
  }

  #dropOld(): void {
    const sinceMs = this.#now() - this.#windowMs
    while ((this.#timesMs[this.#head] ?? Number.POSITIVE_INFINITY) <= sinceMs) this.#head += 1
    // Copies only if more than half is outside the window.
    if (this.#head * 2 <= this.#timesMs.length) return
    this.#timesMs = this.#timesMs.slice(this.#head)
    this.#head = 0
  }
}
