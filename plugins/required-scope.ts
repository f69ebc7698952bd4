import fp from 'fastify-plugin'
import { clientAddress } from '../src/limits/client-address.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { REALM } from './bearer-auth.ts'

interface RequiredScopeOptions {
  /** Absent = no scope is required. */
  requiredScope: string | undefined
}

/**
 * Rejects callers without the required scope. Registered after the rate limit, which applies to them too.
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-3.1
 */
export const requiredScopePlugin = fp(
  async function requiredScope(app, { requiredScope: scope }: RequiredScopeOptions) {
    if (scope === undefined) return
    const challenge = `${REALM}, error="insufficient_scope", scope="${scope}"`
    app.addHook('onRequest', (request, reply, done) => {
      const { caller } = request
      if (!caller || caller.hasRequiredScope) return done()
      request.log.info(
        {
          requestId: request.id,
          reason: 'scope',
          address: clientAddress(request),
          clientId: caller.clientId,
        },
        'authorization failed',
      )
      reply.header('www-authenticate', challenge)
      done(new ProblemError('forbidden'))
    })
  },
  { name: 'required-scope', dependencies: ['bearer-auth', 'caller-rate-limit'] },
)
