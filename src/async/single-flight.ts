/** Work in progress for one key. */
interface Flight<Value> {
  readonly result: Promise<Value>
  readonly controller: AbortController
  callers: number
}

/**
 * Runs one piece of work per key at a time. Concurrent callers share its result.
 *
 * The work has its own signal: one caller's abort does not affect the others, and the work is aborted when the last
 * caller has left.
 */
export class SingleFlight<Key, Value> {
  readonly #flights = new Map<Key, Flight<Value>>()

  /** Whether work for the key is in progress. */
  has(key: Key): boolean {
    return this.#flights.has(key)
  }

  /**
   * Joins the work in progress for the key, or starts it.
   * @param signal the caller's: when it aborts, this promise rejects with its reason
   * @param work gets the signal that aborts when the last caller has left
   */
  run(
    key: Key,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const flight = this.#flights.get(key) ?? this.#start(key, work)
    flight.callers += 1
    return new Promise((resolve, reject) => {
      const leave = () => {
        reject(signal.reason)
        flight.callers -= 1
        if (flight.callers === 0) {
          this.#remove(key, flight)
          flight.controller.abort()
        }
      }
      signal.addEventListener('abort', leave, { once: true })
      flight.result.then(resolve, reject).then(() => signal.removeEventListener('abort', leave))
    })
  }

  #start(key: Key, work: (signal: AbortSignal) => Promise<Value>): Flight<Value> {
    const controller = new AbortController()
    const flight: Flight<Value> = { result: work(controller.signal), controller, callers: 0 }
    this.#flights.set(key, flight)
    const remove = () => this.#remove(key, flight)
    flight.result.then(remove, remove)
    return flight
  }

  /** An aborted flight may already have a successor under the same key. */
  #remove(key: Key, flight: Flight<Value>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
