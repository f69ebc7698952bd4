import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Dispatcher } from 'undici'
import type { Clock } from '../src/async/clock.ts'
import type { ExpectedClaims } from '../src/auth/callers/access-token-claims.ts'
import { AccessTokenVerifier } from '../src/auth/callers/access-token-verifier.ts'
import { bearerTokenOf } from '../src/auth/callers/bearer-token.ts'
import type { Caller } from '../src/auth/callers/caller.ts'
import { fetchJwks, type JwksSource } from '../src/auth/callers/fetch-jwks.ts'
import { InvalidTokenError } from '../src/auth/callers/invalid-token-error.ts'
import { JwksCache } from '../src/auth/callers/jwks-cache.ts'
import { clientAddress } from '../src/limits/client-address.ts'
import { FailureLimit } from '../src/limits/failure-limit.ts'
import { rateLimitKey } from '../src/limits/rate-limit-key.ts'
import { ProblemError } from '../src/problems/problem.ts'

interface BearerAuthOptions extends Pick<Clock, 'now' | 'schedule' | 'wallNow'> {
  /** Absent = no authentication. */
  jwt:
    | (Omit<JwksSource, 'dispatcher'> & Pick<ExpectedClaims, 'audiences' | 'audienceClaim'>)
    | undefined
  /** Sets `request.caller.hasRequiredScope`; absent = no scope is required. */
  requiredScope: string | undefined
  dispatcher: Dispatcher
}

/** Failed authentications of one address per minute. Further ones get a 429 and are logged as one line. */
const MAX_FAILURES_PER_MINUTE = 60

/** Greatest number of addresses with a failure count. */
const MAX_ADDRESSES = 50_000

/** The beginning of every challenge (RFC 6750 §3). */
export const REALM = 'Bearer realm="cdf-job-quality"'
/** The same for every invalid token, so that an attacker learns nothing. */
const INVALID_TOKEN = `${REALM}, error="invalid_token", error_description="The access token is not valid here."`

/**
 * Authenticates the requests in its scope with a bearer token and sets `request.caller`.
 * @see https://www.rfc-editor.org/rfc/rfc6750
 */
export const bearerAuthPlugin = fp(
  async function bearerAuth(app, options: BearerAuthOptions) {
    const { jwt, requiredScope, dispatcher, now, wallNow, schedule } = options
    app.decorateRequest('caller', null)
    // With a handler in this scope, unknown paths need a token too.
    app.setNotFoundHandler(app.rejectUnrouted)
    if (!jwt) {
      app.decorate('onTokenInvalidated', () => () => {})
      return
    }

    const stopped = new AbortController()
    app.lifeCycle.readinessBlockers.set('jwks', 'caller-keys-unavailable')
    const keys = new JwksCache({
      fetchJwks: () => fetchJwks({ ...jwt, dispatcher }),
      now,
      onFetch: (outcome) => {
        const failed = 'error' in outcome
        app.metrics.jwksFetches.inc({ outcome: failed ? 'failure' : 'success' })
        if (failed) {
          app.log.warn({ err: outcome.error }, 'JWKS fetch failed')
        } else {
          app.lifeCycle.readinessBlockers.delete('jwks')
          app.log.info({ keys: outcome.keys }, 'JWKS fetched')
        }
      },
    })
    app.metrics.onScrape(() => app.metrics.jwksAge.set(keys.ageMs / 1000))
    const verifier = new AccessTokenVerifier({ ...jwt, requiredScope, keys, wallNow })
    const failures = new FailureLimit({
      maxFailures: MAX_FAILURES_PER_MINUTE,
      windowMs: 60_000,
      maxAddresses: MAX_ADDRESSES,
      now,
      schedule,
      onExceeded: (address, failures) =>
        app.log.warn({ address, failures }, 'too many failed authentications'),
    })

    function reject(
      request: FastifyRequest,
      reply: FastifyReply,
      { reason, mismatch }: InvalidTokenError,
      challenge: string,
    ): ProblemError {
      const address = clientAddress(request)
      const retryAfterSeconds = failures.add(rateLimitKey(address))
      if (retryAfterSeconds > 0) {
        request.isUnlogged = true
        return new ProblemError('too-many-requests', { retryAfterSeconds })
      }
      request.log.info(
        { requestId: request.id, reason, ...mismatch, address },
        'authentication failed',
      )
      reply.header('www-authenticate', challenge)
      return new ProblemError('unauthenticated')
    }

    /** Sets `request.caller`, or returns a problem. */
    async function authenticate(request: FastifyRequest, reply: FastifyReply) {
      const token = bearerTokenOf(request.headers.authorization)
      if (token === undefined)
        return reject(request, reply, new InvalidTokenError('no token'), REALM)
      try {
        request.caller = await verifier.verify(token)
        return undefined
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error
        return reject(request, reply, error, INVALID_TOKEN)
      }
    }

    app.decorate('onTokenInvalidated', ({ headers }, listener) =>
      keys.onChange(() => {
        verifier.verify(bearerTokenOf(headers.authorization) ?? '').catch((error: unknown) => {
          if (error instanceof InvalidTokenError) listener()
        })
      }),
    )

    app.addHook('onRequest', (request, reply, done) => {
      // Synchronous for a token that was verified before, so that a hit takes no promise.
      request.caller = verifier.getCached(request.headers.authorization, request.socket) ?? null
      if (request.caller) return done()
      authenticate(request, reply)
        .catch((error: Error) => error)
        // If the caller has disconnected meanwhile, the handler must not run.
        .then((error) => done(reply.raw.destroyed ? new Error('caller disconnected') : error))
    })

    app.addHook('onListen', () => {
      keys.startRefreshing(stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      failures.endWindow()
    })
  },
  { name: 'bearer-auth', dependencies: ['life-cycle', 'metrics', 'not-found'] },
)

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Calls the listener when a new JWKS no longer verifies the token of the request.
     * @returns unsubscribe
     */
    onTokenInvalidated: (request: FastifyRequest, listener: () => void) => () => void
  }
  interface FastifyRequest {
    /** The authenticated caller; null without authentication. */
    caller: Caller | null
  }
}
