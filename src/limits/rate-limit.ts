import { LRUCache } from 'lru-cache'
import type { Clock } from '../async/clock.ts'

interface RateLimitOptions extends Pick<Clock, 'now'> {
  /** Requests per window. */
  max: number
  /** Milliseconds from the first request of a caller. */
  windowMs: number
  /** Greatest number of callers with a window. Beyond it, the least recently used window is dropped. */
  maxCallers: number
}

/** What a caller has left of its limit. */
export interface RateLimitState {
  /** Whether the counted request was one too many. */
  isExceeded: boolean
  /** Requests that are left in the window. */
  remaining: number
  /** Seconds until the window ends, rounded up. */
  resetSeconds: number
}

/**
 * Counts the requests of each caller in a fixed window. (`@fastify/rate-limit` takes four promises per request, a seventh of
 * the time of a hit.)
 */
export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #windows: LRUCache<string, { requests: number; endsAtMs: number }>

  constructor(options: RateLimitOptions) {
    this.#options = options
    // With `max`, lru-cache would allocate all entries in advance.
    this.#windows = new LRUCache({ maxSize: options.maxCallers, sizeCalculation: () => 1 })
  }

  /** Counts a request. */
  consume(caller: string): RateLimitState {
    const { max, windowMs, now } = this.#options
    const nowMs = now()
    let window = this.#windows.get(caller)
    if (!window || nowMs >= window.endsAtMs) {
      window = { requests: 0, endsAtMs: nowMs + windowMs }
      this.#windows.set(caller, window)
    }
    window.requests += 1
    return {
      isExceeded: window.requests > max,
      remaining: Math.max(0, max - window.requests),
      // The sum of a fractional time and the window can be larger than exact by a rounding error.
      resetSeconds: Math.ceil(Math.round(window.endsAtMs - nowMs) / 1000),
    }
  }
}
