import type { Clock } from '../async/clock.ts'

interface FailureLimitOptions extends Pick<Clock, 'now' | 'schedule'> {
  /** Failures of one address in one window. */
  maxFailures: number
  /** Length of a window; milliseconds. */
  windowMs: number
  /** Greatest number of addresses that are counted in one window. Failures of further ones are not limited. */
  maxAddresses: number
  /** Called at the end of a window for each address above the limit. */
  onExceeded: (address: string, failures: number) => void
}

/** Counts failed authentications by address, in windows that are the same for all addresses. */
export class FailureLimit {
  readonly #options: FailureLimitOptions
  readonly #failures = new Map<string, number>()
  #endsAtMs = 0
  #cancelEnd = () => {}

  constructor(options: FailureLimitOptions) {
    this.#options = options
  }

  /**
   * Counts a failure.
   * @returns 0 if the address is within the limit, else the seconds until the window ends, rounded up
   */
  add(address: string): number {
    const { maxAddresses, windowMs, now, schedule } = this.#options
    // The timer can be late.
    if (this.#failures.size > 0 && now() >= this.#endsAtMs) this.endWindow()
    if (this.#failures.size === 0) {
      this.#endsAtMs = now() + windowMs
      this.#cancelEnd = schedule(windowMs, () => this.endWindow())
    }
    if (this.#failures.has(address) || this.#failures.size < maxAddresses)
      this.#failures.set(address, (this.#failures.get(address) ?? 0) + 1)
    return this.isExceeded(address) ? Math.ceil((this.#endsAtMs - now()) / 1000) : 0
  }

  /** Whether the address is above the limit. */
  isExceeded(address: string): boolean {
    return (this.#failures.get(address) ?? 0) > this.#options.maxFailures
  }

  /** Ends the current window now. */
  endWindow(): void {
    const { onExceeded } = this.#options
    this.#cancelEnd()
    for (const [address, failures] of this.#failures) {
      if (this.isExceeded(address)) onExceeded(address, failures)
    }
    this.#failures.clear()
  }
}
