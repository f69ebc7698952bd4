import fp from 'fastify-plugin'
import type { Clock } from '../src/async/clock.ts'
import { RateLimit } from '../src/limits/rate-limit.ts'
import { callerKey } from '../src/limits/rate-limit-key.ts'
import { ProblemError } from '../src/problems/problem.ts'

interface CallerRateLimitOptions extends Pick<Clock, 'now'> {
  /** 0 = no limit. */
  perMinute: number
}

const WINDOW_MS = 60_000

/** Greatest number of callers with a window. Beyond it, the least recently used windows are dropped. */
const MAX_CALLERS = 50_000

/**
 * Limits the requests of each caller in its scope: by the subject and client of its token, else by address. Responses
 * say what is left, with the header fields of the IETF draft.
 * @see https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
 */
export const callerRateLimitPlugin = fp(
  async function callerRateLimit(app, { perMinute: max, now }: CallerRateLimitOptions) {
    app.decorateReply('rateLimit')
    if (max === 0) return
    const limit = new RateLimit({ max, windowMs: WINDOW_MS, maxCallers: MAX_CALLERS, now })
    const policy = `"default";q=${max};w=${WINDOW_MS / 1000}`

    app.addHook('onRequest', (request, reply, done) => {
      const { isExceeded, remaining, resetSeconds } = limit.consume(callerKey(request))
      reply.rateLimit = { policy, current: `"default";r=${remaining};t=${resetSeconds}` }
      done(
        isExceeded
          ? new ProblemError('too-many-requests', { retryAfterSeconds: resetSeconds })
          : undefined,
      )
    })
    // `sendCachedResponse` sets them itself.
    app.addHook('onSend', (_request, reply, _payload, done) => {
      const { rateLimit } = reply
      if (rateLimit)
        reply.header('ratelimit-policy', rateLimit.policy).header('ratelimit', rateLimit.current)
      done()
    })
  },
  { name: 'caller-rate-limit', dependencies: ['problems'] },
)

declare module 'fastify' {
  interface FastifyReply {
    /** The values of `RateLimit-Policy` and `RateLimit`; absent without a limit. */
    rateLimit: { readonly policy: string; readonly current: string } | undefined
  }
}
