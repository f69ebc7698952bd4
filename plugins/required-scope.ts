import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'
import { REALM } from './door.ts'

/** Options of {@link requiredScopePlugin}. */
export interface RequiredScopeOptions {
  /** Absent = none is required. */
  requiredScope: string | undefined
}

/**
 * Refuses callers without the scope that its scope of routes requires; after the rate limit, which holds for them too.
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
        { reason: 'scope', address: request.ip, clientId: caller.clientId },
        'caller refused',
      )
      reply.header('www-authenticate', challenge)
      done(new ProxyError('forbidden'))
    })
  },
  { name: 'required-scope', dependencies: ['door', 'caller-rate-limit'] },
)
