import { METHODS } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ProblemError } from '../src/problems/problem.ts'

/**
 * Answers requests without a route: 405 with `Allow` if the path exists for GET, else 404; Fastify would answer 404 in
 * both cases. Registered before the routes. A scope with its own hooks sets `app.rejectUnrouted` as its handler, too.
 */
export const notFoundPlugin = fp(
  async function notFound(app) {
    const patterns: string[] = []
    app.addHook('onRoute', ({ method, url }) => {
      if (method === 'GET') patterns.push(url)
    })
    app.decorateRequest('rejectedRoute')
    app.decorate('rejectUnrouted', (request: FastifyRequest, reply: FastifyReply) => {
      const segments = pathSegments(request)
      const route = patterns.find((pattern) => matches(pattern.split('/'), segments))
      if (request.method === 'GET' || route === undefined) throw new ProblemError('not-found')
      request.rejectedRoute = route
      reply.header('allow', 'GET, HEAD')
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
    /** After a 405: the pattern of the route that exists for GET. */
    rejectedRoute: string | undefined
  }
}
