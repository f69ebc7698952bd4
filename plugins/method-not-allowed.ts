import { METHODS } from 'node:http'
import type { onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'

const ALLOWED = ['GET', 'HEAD']

/**
 * Answers every other method on a known path with 405 and `Allow`, where Fastify would say 404.
 * Registered before the routes, it sees each of them. The first under each prefix gets one sibling for all other methods
 * and paths there, behind the same door; one for each route would be five hundred, a twentieth of the start.
 */
export const methodNotAllowedPlugin = fp(
  async function methodNotAllowed(app) {
    // CONNECT never comes as a request; see request-framing.
    const otherMethods = METHODS.filter(
      (method) => !ALLOWED.includes(method) && method !== 'CONNECT',
    )
    for (const method of otherMethods) {
      if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
    }

    const prefixes = new Set<string>()
    const paths = new Set<string>()
    let patterns: URLPattern[] | undefined
    /** Fastify's patterns of paths are those of the web, as far as they are used here. */
    function isKnown(pathname: string): boolean {
      patterns ??= [...paths].map((path) => new URLPattern({ pathname: path }))
      return patterns.some((pattern) => pattern.test({ pathname }))
    }

    app.addHook('onRoute', function (this: typeof app, { method, url, prefix }) {
      // Every path here is for GET; Fastify adds HEAD by itself.
      if (method !== 'GET') return
      paths.add(url)
      if (prefixes.has(prefix)) return
      prefixes.add(prefix)
      const onRequest: onRequestHookHandler = (request, reply, done) => {
        const [path = ''] = request.url.split('?', 1)
        if (!isKnown(path)) return done(new ProxyError('not-found'))
        reply.header('allow', ALLOWED.join(', '))
        done(new ProxyError('method-not-allowed'))
      }
      // Whatever is in a body, nobody looks at it.
      for (const url of prefix ? ['', '/*'] : ['/*']) {
        this.route({
          method: otherMethods,
          url,
          schema: { hide: true },
          onRequest,
          handler: () => {},
        })
      }
    })
  },
  { name: 'method-not-allowed', dependencies: ['problems'] },
)
