import { METHODS } from 'node:http'
import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'

const ALLOWED = ['GET', 'HEAD']

/**
 * Answers every other method on a known path with 405 and `Allow`, where Fastify would say 404.
 * Registered before the routes, it sees each of them and adds its sibling for the other methods.
 */
export const methodNotAllowedPlugin = fp(
  async function methodNotAllowed(app) {
    // CONNECT never comes as a request; see request-framing.
    const otherMethods = METHODS.filter(
      (method) => !ALLOWED.includes(method) && method !== 'CONNECT',
    )
    for (const method of otherMethods) {
      if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
    }

    app.addHook('onRoute', function (this: typeof app, route) {
      // Every path here is for GET; Fastify adds HEAD by itself.
      if (![route.method].flat().includes('GET')) return
      this.route({
        method: otherMethods,
        url: route.url.slice(route.prefix.length),
        schema: { hide: true },
        // Before the body is looked at: it does not matter what is in it.
        onRequest: (_request, reply, done) => {
          reply.header('allow', ALLOWED.join(', '))
          done(new ProxyError('method-not-allowed'))
        },
        handler: () => {},
      })
    })
  },
  { name: 'method-not-allowed', dependencies: ['problems'] },
)
