/** Gets the signal that aborts when the last caller has left. */
type Work<Value, Demand> = (signal: AbortSignal, demand: Demand) => Promise<Value>

/** Work in progress for one key. */
interface Flight<Value, Demand> {
  readonly demand: Demand
  readonly result: Promise<Value>
  readonly controller: AbortController
  callers: number
}

/**
 * Runs one piece of work per key at a time. Concurrent callers share its result.
 *
 * The work has its own signal: one caller's abort does not affect the others, and the work is aborted when the last
 * caller has left. (`lru-cache.fetch` and undici's `deduplicate` interceptor follow the first caller's signal.)
 * @typeParam Demand what the callers of one piece of work require together
 */
export class SingleFlight<Key, Value, Demand> {
  readonly #flights = new Map<Key, Flight<Value, Demand>>()

  /** Whether work for the key is in progress. */
  has(key: Key): boolean {
    return this.#flights.has(key)
  }

  /**
   * Joins the work in progress for the key, or starts it.
   * @param signal the caller's: when it aborts, this promise rejects with its reason
   * @param join adds what the caller requires to the demand of the work in progress, or returns a new demand
   */
  run(
    key: Key,
    signal: AbortSignal,
    join: (demand: Demand | undefined) => Demand,
    work: Work<Value, Demand>,
  ): Promise<Value> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const running = this.#flights.get(key)
    const demand = join(running?.demand)
    const flight = running ?? this.#start(key, demand, work)
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

  #start(key: Key, demand: Demand, work: Work<Value, Demand>): Flight<Value, Demand> {
    const controller = new AbortController()
    const result = work(controller.signal, demand)
    const flight: Flight<Value, Demand> = { demand, result, controller, callers: 0 }
    this.#flights.set(key, flight)
    const remove = () => this.#remove(key, flight)
    flight.result.then(remove, remove)
    return flight
  }

  /** An aborted flight may already have a successor under the same key. */
  #remove(key: Key, flight: Flight<Value, Demand>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
