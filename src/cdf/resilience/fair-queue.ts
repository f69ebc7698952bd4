/** The caller of background reads. It gets the smallest share of the turns. */
export const BACKGROUND = 'background'

/** While others wait, background entries get one turn in this many. */
const BACKGROUND_TURN = 5

/**
 * A queue with one line per caller. The callers take turns, so that a caller with many entries does not delay the
 * others. An entry that several callers wait for stands in each of their lines, and leaves with the first turn.
 */
export class FairQueue<Entry> {
  /** In the order of their turns. */
  readonly #lines = new Map<string, Set<Entry>>()
  readonly #callersOf = new Map<Entry, Set<string>>()
  #turnsWithoutBackground = 0

  /** Number of entries. */
  get size(): number {
    return this.#callersOf.size
  }

  /** Puts an entry at the end of a caller's line; also an entry that is queued for another caller. */
  add(entry: Entry, caller: string): void {
    const line = this.#lines.get(caller) ?? new Set()
    this.#lines.set(caller, line.add(entry))
    const callers = this.#callersOf.get(entry) ?? new Set()
    this.#callersOf.set(entry, callers.add(caller))
  }

  /** Removes an entry. */
  delete(entry: Entry): void {
    for (const caller of this.#callersOf.get(entry) ?? []) {
      const line = this.#lines.get(caller)
      line?.delete(entry)
      if (line?.size === 0) this.#lines.delete(caller)
    }
    this.#callersOf.delete(entry)
  }

  /** Removes and returns the next entry. */
  take(): Entry | undefined {
    const caller = this.#nextCaller()
    if (caller === undefined) return undefined
    const line = this.#lines.get(caller) as Set<Entry>
    this.#lines.delete(caller)
    this.#lines.set(caller, line)
    const [entry] = line
    this.delete(entry as Entry)
    return entry
  }

  /**
   * Makes room for an entry of these callers: removes the newest entry of the longest line. An entry that several
   * callers wait for is removed only if all of them have a longer line than these callers would have.
   * @returns the removed entry, if any
   */
  evictFor(callers: Iterable<string>): Entry | undefined {
    const lengthOf = (caller: string) => this.#lines.get(caller)?.size ?? 0
    let longest = new Set<Entry>()
    for (const line of this.#lines.values()) if (line.size > longest.size) longest = line
    const newLength = Math.min(...[...callers].map(lengthOf)) + 1
    const newest = [...longest].findLast((entry) =>
      [...(this.#callersOf.get(entry) ?? [])].every((caller) => lengthOf(caller) > newLength),
    )
    if (newest !== undefined) this.delete(newest)
    return newest
  }

  /** All entries. */
  entries(): Entry[] {
    return [...this.#callersOf.keys()]
  }

  #nextCaller(): string | undefined {
    const [first, second] = this.#lines.keys()
    if (first !== BACKGROUND) {
      this.#turnsWithoutBackground += 1
      return first
    }
    if (second === undefined || this.#turnsWithoutBackground >= BACKGROUND_TURN - 1) {
      this.#turnsWithoutBackground = 0
      return first
    }
    // Background loses this turn and keeps its place at the end.
    const line = this.#lines.get(BACKGROUND) as Set<Entry>
    this.#lines.delete(BACKGROUND)
    this.#lines.set(BACKGROUND, line)
    this.#turnsWithoutBackground += 1
    return second
  }
}
