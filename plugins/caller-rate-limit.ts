import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
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

/** A limit for each caller in its scope: by the subject and client of their token, else by address. */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute: max, now }: CallerRateLimitOptions) {
    if (max === 0) return
    const limit = new RateLimit({ max, windowMs: WINDOW_MS, maxCallers: MAX_CALLERS, now })
    // IPv6 addresses by their network: that is the plugin's own key.
    const byAddress = { max, timeWindow: WINDOW_MS, cache: MAX_CALLERS }
    const countAddress = app.createRateLimit(byAddress)

    /** Where callers are not checked, or nothing in their token says who they are. */
    async function checkAddress(request: FastifyRequest): Promise<ProxyError | undefined> {
      const used = await countAddress(request)
      return !used.isAllowed && used.isExceeded ? tooMany(used.ttlInSeconds) : undefined
    }

    app.addHook('onRequest', (request, _reply, done) => {
      const caller = request.caller?.key
      if (!caller) {
        checkAddress(request).then(done, done)
        return
      }
      const secondsOver = limit.secondsOver(caller)
      done(secondsOver > 0 ? tooMany(secondsOver) : undefined)
    })
  },
  { name: 'caller-rate-limit', dependencies: ['door', '@fastify/rate-limit'] },
)

function tooMany(retryAfterSeconds: number): ProxyError {
  return new ProxyError('too-many-requests', { retryAfterSeconds })
}
