import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'

/** Options of {@link callerRateLimitPlugin}. */
export interface CallerRateLimitOptions {
  /** 0 = no limit. */
  perMinute: number
}

/** Callers who are counted at once; beyond, the ones longest unseen are forgotten. */
const MAX_CALLERS = 50_000

/** A limit for each caller in its scope: by the subject and client of their token, else by address. */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute }: CallerRateLimitOptions) {
    if (perMinute === 0) return
    const options = { max: perMinute, timeWindow: 60_000, cache: MAX_CALLERS }
    const countCaller = app.createRateLimit({
      ...options,
      keyGenerator: ({ caller }) => caller?.key ?? '',
    })
    // IPv6 addresses by their network: that is the plugin's own key.
    const countAddress = app.createRateLimit(options)
    app.addHook('onRequest', async (request) => {
      const limit = await (request.caller?.key ? countCaller(request) : countAddress(request))
      if (!limit.isAllowed && limit.isExceeded) {
        throw new ProxyError('too-many-requests', { retryAfterSeconds: limit.ttlInSeconds })
      }
    })
  },
  { name: 'caller-rate-limit', dependencies: ['door', '@fastify/rate-limit'] },
)
