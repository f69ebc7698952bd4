import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How often the load is looked at. */
const INTERVAL_MS = 1_000
/** Both at once are overload: a busy loop is no harm as long as nobody waits for it, and one long pause is none either. */
const LIMITS = { delayMs: 250, utilization: 0.98 }
/** How finely the delay is measured; Node counts it as part of the delay. */
const RESOLUTION_MS = 20

/**
 * Whether the event loop is late and busy at once.
 * @param delayMs mean delay
 * @param utilization 0 to 1
 */
export function isOverload(delayMs: number, utilization: number): boolean {
  return delayMs > LIMITS.delayMs && utilization > LIMITS.utilization
}

/** Whether this process is too busy to take on work. Measures in the background and keeps no process alive. */
export class EventLoopLoad {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #timer: NodeJS.Timeout
  #utilization = performance.eventLoopUtilization()
  #isTooHigh = false

  constructor() {
    this.#delay.enable()
    this.#timer = setInterval(() => this.#measure(), INTERVAL_MS)
    this.#timer.unref()
  }

  /** As of the last second. */
  get isTooHigh(): boolean {
    return this.#isTooHigh
  }

  /** Ends the measuring. */
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
    this.#isTooHigh = isOverload(delayMs, ratio)
  }
}
