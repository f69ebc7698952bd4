import { METHODS } from 'node:http'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ProblemError } from '../src/problems/problem.ts'

const ALLOWED = ['GET', 'HEAD']

/**
 * Answers other methods with 405 and `Allow` on a known path and with 404 on an unknown one; Fastify would answer 404 in
 * both cases. Applies to its scope, and must be registered before the routes.
 */
export const methodNotAllowedPlugin = fp(
  async function methodNotAllowed(app) {
    // A CONNECT request never reaches the router, see strict-request.
    const otherMethods = METHODS.filter(
      (method) => !ALLOWED.includes(method) && method !== 'CONNECT',
    )
    for (const method of otherMethods) {
      if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
    }

    const patterns: string[] = []
    app.addHook('onRoute', ({ method, url }) => {
      if (method === 'GET') patterns.push(url)
    })

    // One wildcard route: 30 methods beside each route would be five hundred routes.
    for (const url of app.prefix ? ['', '/*'] : ['/*']) {
      app.route({
        method: otherMethods,
        url,
        schema: { hide: true },
        // In onRequest, so that a body is never parsed.
        onRequest: (request, reply, done) => {
          const segments = pathSegments(request)
          const route = patterns.find((pattern) => matches(pattern.split('/'), segments))
          request.rejectedMethod = { route }
          if (route === undefined) return done(new ProblemError('not-found'))
          reply.header('allow', ALLOWED.join(', '))
          done(new ProblemError('method-not-allowed'))
        },
        handler: () => {},
      })
    }
  },
  { name: 'method-not-allowed', dependencies: ['problems', 'access-log'] },
)

/** The decoded segments of the path, also of an absolute URL, without normalizing dots, as the router sees them. */
function pathSegments({ url }: FastifyRequest): string[] {
  const [path = ''] = url.replace(/^https?:\/\/[^/]*/, '').split(/[?#]/, 1)
  return path.split('/').map(decodeURIComponent)
}

/** Matches a route pattern with names, `:parameters` and a `*` at the end. */
function matches(pattern: string[], segments: string[]): boolean {
  const hasWildcard = pattern.at(-1) === '*'
  return (
    (hasWildcard ? segments.length >= pattern.length : segments.length === pattern.length) &&
    pattern.every((part, index) => part === '*' || part.startsWith(':') || part === segments[index])
  )
}
