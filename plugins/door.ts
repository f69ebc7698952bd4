import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Caller } from '../src/callers/caller-verifier.ts'
import { CallerVerifier, RefusedTokenError } from '../src/callers/caller-verifier.ts'
import { fetchIssuerKeys } from '../src/callers/fetch-issuer-keys.ts'
import { IssuerKeys } from '../src/callers/issuer-keys.ts'
import { httpAgent } from '../src/http-agent.ts'
import { ProxyError } from '../src/problem.ts'
import { retryUntilDone } from '../src/retry-until-done.ts'

/** What {@link doorPlugin} lets in: the holders of a good token or, without `jwt`, everybody. */
export interface DoorOptions {
  jwt:
    | {
        issuer: string
        audience: string
        jwksUrl: string | undefined
        requiredScope: string | undefined
        /** For each request to the issuer. */
        timeoutMs: number
      }
    | undefined
  /** Monotonic clock, milliseconds. */
  now: () => number
  /** The wall clock, milliseconds since the epoch. */
  wallNow: () => number
}

/** An address may fail this often in a minute; then it is told so, while good tokens from there still pass. */
const MAX_FAILURES_PER_MINUTE = 60

const REALM = 'Bearer realm="cdf-job-quality"'
/** One answer for every bad token, whatever is wrong with it: who guesses learns nothing. */
const INVALID_TOKEN = `${REALM}, error="invalid_token", error_description="The access token is not valid here."`

/**
 * Checks the bearer token of every request in its scope before anything else is done, and leaves `request.caller`.
 * @see https://www.rfc-editor.org/rfc/rfc6750
 */
export const doorPlugin = fp(
  async function door(app, { jwt, now, wallNow }: DoorOptions) {
    app.decorateRequest('caller', null)
    // One of its own, so that unknown paths in this scope pass the door as well.
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
        if ('error' in outcome) {
          app.log.warn({ err: outcome.error }, 'no keys of callers')
        } else {
          app.lifeCycle.missing.delete('caller-keys-unavailable')
          app.log.info({ keys: outcome.keys }, 'keys of callers')
        }
      },
    })
    const verifier = new CallerVerifier({ ...jwt, keys, wallNow })
    const insufficientScope = `${REALM}, error="insufficient_scope", scope="${jwt.requiredScope}"`
    const countFailure = app.createRateLimit({
      max: MAX_FAILURES_PER_MINUTE,
      timeWindow: 60_000,
      keyGenerator: ({ ip }) => ip,
    })

    /** Lets a caller in, or not, if it lacks the scope. */
    function admit(
      request: FastifyRequest,
      reply: FastifyReply,
      caller: Caller,
    ): ProxyError | undefined {
      request.caller = caller
      if (caller.hasRequiredScope) return undefined
      request.log.info(
        { reason: 'scope', address: request.ip, clientId: caller.clientId },
        'caller refused',
      )
      reply.header('www-authenticate', insufficientScope)
      return new ProxyError('forbidden')
    }

    /** Refuses a request, and tells an address that is refused too often. */
    async function refuse(
      request: FastifyRequest,
      reply: FastifyReply,
      reason: string,
      challenge: string,
    ): Promise<ProxyError> {
      request.log.info({ reason, address: request.ip }, 'caller refused')
      const failures = await countFailure(request)
      if (!failures.isAllowed && failures.isExceeded) {
        return new ProxyError('too-many-requests', { retryAfterSeconds: failures.ttlInSeconds })
      }
      reply.header('www-authenticate', challenge)
      return new ProxyError('unauthenticated')
    }

    async function check(request: FastifyRequest, reply: FastifyReply, token: string | undefined) {
      if (token === undefined) return refuse(request, reply, 'no token', REALM)
      try {
        return admit(request, reply, await verifier.verify(token))
      } catch (error) {
        if (!(error instanceof RefusedTokenError)) throw error
        return refuse(request, reply, error.reason, INVALID_TOKEN)
      }
    }

    app.addHook('onRequest', (request, reply, done) => {
      const token = tokenOf(request.headers.authorization)
      const known = token === undefined ? undefined : verifier.remembered(token)
      // Without a promise: most requests come with a token that came before.
      if (known) done(admit(request, reply, known))
      else check(request, reply, token).then(done, done)
    })

    app.addHook('onListen', () => {
      retryUntilDone(() => keys.get(), stopped.signal)
    })
    app.addHook('onClose', async () => {
      stopped.abort()
      await agent.destroy()
    })
  },
  { name: 'door', dependencies: ['life-cycle', 'problems', '@fastify/rate-limit'] },
)

/** What stands behind the scheme Bearer, which may be written in any case (RFC 9110 §11.4); `undefined` for another one. */
function tokenOf(authorization = ''): string | undefined {
  return /^bearer(?: |$)/i.test(authorization)
    ? authorization.slice('Bearer'.length).trim()
    : undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where nobody is checked. */
    caller: Caller | null
  }
}
