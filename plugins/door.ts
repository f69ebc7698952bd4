import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { bearerTokenOf } from '../src/callers/bearer-token.ts'
import type { Caller } from '../src/callers/caller.ts'
import { CallerVerifier, RefusedTokenError } from '../src/callers/caller-verifier.ts'
import { fetchIssuerKeys } from '../src/callers/fetch-issuer-keys.ts'
import { IssuerKeys } from '../src/callers/issuer-keys.ts'
import { networkOf } from '../src/callers/network-of.ts'
import { RateLimit } from '../src/callers/rate-limit.ts'
import { httpAgent } from '../src/http-agent.ts'
import { ProxyError } from '../src/problem.ts'

/** What {@link doorPlugin} lets in: the holders of a good token or, without `jwt`, everybody. */
export interface DoorOptions {
  jwt:
    | {
        issuer: string
        audience: string
        jwksUrl: string | undefined
        /** For each request to the issuer. */
        timeoutMs: number
      }
    | undefined
  /** Whether a caller has it is told by `request.caller`. */
  requiredScope: string | undefined
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
}

/** An address may fail this often in a minute; then it is told so, while good tokens from there still pass. */
const MAX_FAILURES_PER_MINUTE = 60

/** Addresses whose failures are counted at once. */
const MAX_ADDRESSES = 50_000

/** RFC 6750 §3: what every challenge begins with. */
export const REALM = 'Bearer realm="cdf-job-quality"'
/** One answer for every bad token, whatever is wrong with it: who guesses learns nothing. */
const INVALID_TOKEN = `${REALM}, error="invalid_token", error_description="The access token is not valid here."`

/**
 * Finds out who sends each request in its scope, by their bearer token, before anything else is done; leaves
 * `request.caller`.
 * @see https://www.rfc-editor.org/rfc/rfc6750
 */
export const doorPlugin = fp(
  async function door(app, { jwt, requiredScope, now, wallNow }: DoorOptions) {
    app.decorateRequest('caller', null)
    // Of its own, so that unknown paths in this scope pass the door as well.
    app.setNotFoundHandler(async () => {
      throw new ProxyError('not-found')
    })
    if (!jwt) return

    const agent = httpAgent()
    const stopped = new AbortController()
    app.lifeCycle.missing.add('caller-keys-unavailable')
    const keys = new IssuerKeys({
      fetchKeys: () => fetchIssuerKeys({ ...jwt, dispatcher: agent }),
      now,
      onFetch: (outcome) => {
        const failed = 'error' in outcome
        app.metrics.keyFetches.inc({ outcome: failed ? 'failure' : 'success' })
        if (failed) {
          app.log.warn({ err: outcome.error }, 'no keys of callers')
        } else {
          app.lifeCycle.missing.delete('caller-keys-unavailable')
          app.log.info({ keys: outcome.keys }, 'keys of callers')
        }
      },
    })
    app.metrics.onScrape(() => app.metrics.keysAge.set(keys.ageMs / 1000))
    const verifier = new CallerVerifier({ ...jwt, requiredScope, keys, wallNow })
    const failures = new RateLimit({
      max: MAX_FAILURES_PER_MINUTE,
      windowMs: 60_000,
      maxCallers: MAX_ADDRESSES,
      now,
    })

    /** Refuses a request, and tells an address that is refused too often. */
    function refuse(
      request: FastifyRequest,
      reply: FastifyReply,
      reason: string,
      challenge: string,
    ): ProxyError {
      request.log.info({ reason, address: request.ip }, 'caller refused')
      const retryAfterSeconds = failures.secondsOver(networkOf(request.ip))
      if (retryAfterSeconds > 0) return new ProxyError('too-many-requests', { retryAfterSeconds })
      reply.header('www-authenticate', challenge)
      return new ProxyError('unauthenticated')
    }

    /** Finds out who asks; a problem if that cannot be told. */
    async function check(request: FastifyRequest, reply: FastifyReply, token: string | undefined) {
      if (token === undefined) return refuse(request, reply, 'no token', REALM)
      try {
        request.caller = await verifier.verify(token)
        return undefined
      } catch (error) {
        if (!(error instanceof RefusedTokenError)) throw error
        return refuse(request, reply, error.reason, INVALID_TOKEN)
      }
    }

    app.addHook('onRequest', (request, reply, done) => {
      const { authorization } = request.headers
      // Without a promise: most requests come with a token that came before.
      const known = verifier.remembered(authorization, request.raw.socket)
      if (known) {
        request.caller = known
        done()
      } else {
        check(request, reply, bearerTokenOf(authorization))
          .catch((error: Error) => error)
          // The signal of a request does not tell of what was before somebody asked for it.
          .then((error) => done(reply.raw.destroyed ? new Error('the caller has hung up') : error))
      }
    })

    app.addHook('onListen', () => {
      keys.keepFresh(stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      await agent.destroy()
    })
  },
  { name: 'door', dependencies: ['life-cycle', 'metrics', 'problems'] },
)

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where nobody is checked. */
    caller: Caller | null
  }
}
