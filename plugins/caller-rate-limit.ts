import fp from 'fastify-plugin'
import { RateLimit } from '../src/limits/rate-limit.ts'
import { callerKey } from '../src/limits/rate-limit-key.ts'
import { ProblemError } from '../src/problems/problem.ts'

/** Options of {@link callerRateLimitPlugin}. */
export interface CallerRateLimitOptions {
  /** 0 = no limit. */
  perMinute: number
  /** Monotonic clock, milliseconds. */
  now: () => number
}

const WINDOW_MS = 60_000

/** Greatest number of callers with a window. Beyond it, the least recently used windows are dropped. */
const MAX_CALLERS = 50_000

/** Limits the requests of each caller in its scope: by the subject and client of its token, else by address. */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute: max, now }: CallerRateLimitOptions) {
    if (max === 0) return
    const limit = new RateLimit({ max, windowMs: WINDOW_MS, maxCallers: MAX_CALLERS, now })

    app.addHook('onRequest', (request, _reply, done) => {
      const retryAfterSeconds = limit.consume(callerKey(request))
      done(
        retryAfterSeconds > 0
          ? new ProblemError('too-many-requests', { retryAfterSeconds })
          : undefined,
      )
    })
  },
  { name: 'caller-rate-limit', dependencies: ['problems'] },
)
