import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

const INTERVAL_MS = 1_000
/** Overload exceeds both: high utilization alone delays no request, and a high delay alone can be a single pause. */
const LIMITS = { delayMs: 250, utilization: 0.98 }
/** Node includes the sampling resolution in the delay. */
const RESOLUTION_MS = 20

/**
 * Whether the event loop is overloaded.
 * @param delayMs mean delay
 * @param utilization 0 to 1
 */
export function isOverload(delayMs: number, utilization: number): boolean {
  return delayMs > LIMITS.delayMs && utilization > LIMITS.utilization
}

/** Measures the load of the event loop every second. Does not keep the process alive. */
export class EventLoopLoad {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #timer: NodeJS.Timeout
  #utilization = performance.eventLoopUtilization()
  #isOverloaded = false

  constructor() {
    this.#delay.enable()
    this.#timer = setInterval(() => this.#measure(), INTERVAL_MS)
    this.#timer.unref()
  }

  /** Whether the event loop was overloaded in the last interval. */
  get isOverloaded(): boolean {
    return this.#isOverloaded
  }

  /** Stops measuring. */
  stop(): void {
    clearInterval(this.#timer)
    this.#delay.disable()
  }

  #measure(): void {
    const delayMs = this.#delay.mean / 1e6 - RESOLUTION_MS
    const utilization = performance.eventLoopUtilization()
    const ratio = performance.eventLoopUtilization(utilization, this.#utilization).utilization
    this.#utilization = utilization
    this.#delay.reset()
    this.#isOverloaded = isOverload(delayMs, ratio)
  }
}
