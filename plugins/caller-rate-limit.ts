import fp from 'fastify-plugin'
import { networkOf } from '../src/callers/network-of.ts'
import { RateLimit } from '../src/callers/rate-limit.ts'
import { ProxyError } from '../src/problem.ts'

/** Options of {@link callerRateLimitPlugin}. */
export interface CallerRateLimitOptions {
  /** 0 = no limit. */
  perMinute: number
  /** Monotonic clock, milliseconds. */
  now: () => number
}

const WINDOW_MS = 60_000

/** Callers who are counted at once; beyond, the windows that began first are forgotten. */
const MAX_CALLERS = 50_000

/**
 * A limit for each caller in its scope: by the subject and client of their token, else, where callers are not checked or
 * nothing in their token says who they are, by address.
 */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute: max, now }: CallerRateLimitOptions) {
    if (max === 0) return
    const limit = new RateLimit({ max, windowMs: WINDOW_MS, maxCallers: MAX_CALLERS, now })

    app.addHook('onRequest', (request, _reply, done) => {
      const retryAfterSeconds = limit.secondsOver(request.caller?.key || networkOf(request.ip))
      done(
        retryAfterSeconds > 0
          ? new ProxyError('too-many-requests', { retryAfterSeconds })
          : undefined,
      )
    })
  },
  { name: 'caller-rate-limit', dependencies: ['door'] },
)
