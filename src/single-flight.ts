/** What is under way for one key. */
interface Flight<Value> {
  readonly landed: Promise<Value>
  readonly abort: AbortController
  waiters: number
}

/**
 * One piece of work per key at a time, shared by whoever asks meanwhile.
 *
 * The work belongs to nobody: it has an AbortController of its own, so that one caller's leaving never ends it for the
 * others, and it is aborted when the last of them has left. (`lru-cache.fetch` and undici's `deduplicate` tie it to
 * the first caller's signal.)
 */
export class SingleFlight<Key, Value> {
  readonly #flights = new Map<Key, Flight<Value>>()

  /** True if work for the key is under way. */
  has(key: Key): boolean {
    return this.#flights.has(key)
  }

  /**
   * Joins the work under way for the key, or starts it.
   * @param signal the caller's: when it aborts, this caller's promise rejects with its reason
   * @param work called at once if nothing is under way; gets the signal that aborts when nobody waits any more
   */
  run(
    key: Key,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.waiters += 1
    return new Promise((resolve, reject) => {
      const leave = () => {
        reject(signal.reason)
        flight.waiters -= 1
        if (flight.waiters === 0) {
          this.#end(key, flight)
          flight.abort.abort()
        }
      }
      signal.addEventListener('abort', leave, { once: true })
      const stay = () => signal.removeEventListener('abort', leave)
      flight.landed.then(resolve, reject).then(stay)
    })
  }

  #start(key: Key, work: (signal: AbortSignal) => Promise<Value>): Flight<Value> {
    const abort = new AbortController()
    const flight: Flight<Value> = { landed: work(abort.signal), abort, waiters: 0 }
    this.#flights.set(key, flight)
    const end = () => this.#end(key, flight)
    flight.landed.then(end, end)
    return flight
  }

  /** After the last caller has left, the key may already belong to a newer flight. */
  #end(key: Key, flight: Flight<Value>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
