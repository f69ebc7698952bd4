import { METHODS } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ProblemError } from '../src/problems/problem.ts'

/** Fastify adds a HEAD route to each GET route. */
const ALLOW = 'GET, HEAD, OPTIONS'

/**
 * Answers requests without a route: OPTIONS with 204 and `Allow` if the path exists for GET, in a hook, so that it needs
 * no token; any other method with 405 and `Allow`; and with 404 if there is no such path. Registered before the routes
 * and after `cors`, which answers preflight requests. A scope with its own hooks sets `app.rejectUnrouted` as its handler.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-9.3.7
 */
export const notFoundPlugin = fp(
  async function notFound(app) {
    const patterns: string[] = []
    app.addHook('onRoute', ({ method, url }) => {
      if (method === 'GET') patterns.push(url)
    })
    const setMatchedRoute = (request: FastifyRequest) => {
      const segments = pathSegments(request)
      request.matchedRoute = patterns.find((pattern) => matches(pattern.split('/'), segments))
    }
    app.decorateRequest('matchedRoute')
    app.addHook('onRequest', (request, reply, done) => {
      if (request.method !== 'OPTIONS') return done()
      setMatchedRoute(request)
      // `OPTIONS *` concerns the server as a whole.
      if (request.matchedRoute === undefined && request.url !== '*') return done()
      reply.code(204).header('allow', ALLOW).send()
    })
    app.decorate('rejectUnrouted', (request: FastifyRequest, reply: FastifyReply) => {
      if (request.method === 'GET') throw new ProblemError('not-found')
      setMatchedRoute(request)
      if (request.matchedRoute === undefined) throw new ProblemError('not-found')
      reply.header('allow', ALLOW)
      throw new ProblemError('method-not-allowed')
    })
    app.setNotFoundHandler(app.rejectUnrouted)
    // No route reads a body, so that neither its form nor its type matters.
    for (const method of METHODS) {
      app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
    }
  },
  { name: 'not-found', dependencies: ['problems'] },
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

declare module 'fastify' {
  interface FastifyInstance {
    /** The handler for requests without a route. */
    rejectUnrouted: (request: FastifyRequest, reply: FastifyReply) => never
  }
  interface FastifyRequest {
    /** For a request without a route: the pattern of the route that exists for GET. */
    matchedRoute: string | undefined
  }
}
