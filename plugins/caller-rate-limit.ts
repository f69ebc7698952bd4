import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'

/** Options of {@link callerRateLimitPlugin}. */
export interface CallerRateLimitOptions {
  /** 0 = no limit. */
  perMinute: number
}

/** A limit for each caller in its scope: by the subject and client of their token, else by address. */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute }: CallerRateLimitOptions) {
    if (perMinute === 0) return
    const count = app.createRateLimit({ max: perMinute, timeWindow: 60_000, keyGenerator: keyOf })
    app.addHook('onRequest', async (request) => {
      const limit = await count(request)
      if (!limit.isAllowed && limit.isExceeded) {
        throw new ProxyError('too-many-requests', { retryAfterSeconds: limit.ttlInSeconds })
      }
    })
  },
  { name: 'caller-rate-limit', dependencies: ['door', '@fastify/rate-limit'] },
)

function keyOf({ caller, ip }: FastifyRequest): string {
  return caller?.key || ip
}
