import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { nodeHttp } from '../src/node-http.ts'
import { ProxyError } from '../src/problem.ts'

const ALLOWED = ['GET', 'HEAD']

/**
 * Answers every other method on a known path with 405 and `Allow`, where Fastify would say 404, and on an unknown one with
 * 404, in the scope that it is registered in, before its routes: by one route for all other methods and paths, since one
 * beside each route would be five hundred, a twentieth of the start.
 */
export const methodNotAllowedPlugin = fp(
  async function methodNotAllowed(app) {
    // CONNECT never comes as a request; see request-framing.
    const otherMethods = nodeHttp.METHODS.filter(
      (method) => !ALLOWED.includes(method) && method !== 'CONNECT',
    )
    for (const method of otherMethods) {
      if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
    }

    const patterns: string[] = []
    app.addHook('onRoute', ({ method, url }) => {
      if (method === 'GET') patterns.push(url)
    })

    for (const url of app.prefix ? ['', '/*'] : ['/*']) {
      app.route({
        method: otherMethods,
        url,
        schema: { hide: true },
        // Whatever is in a body, nobody looks at it.
        onRequest: (request, reply, done) => {
          const segments = segmentsOf(request)
          const pattern = patterns.find((each) => matches(each.split('/'), segments))
          request.refused = { route: pattern }
          if (pattern === undefined) return done(new ProxyError('not-found'))
          reply.header('allow', ALLOWED.join(', '))
          done(new ProxyError('method-not-allowed'))
        },
        handler: () => {},
      })
    }
  },
  { name: 'method-not-allowed', dependencies: ['problems', 'access-log'] },
)

/** The parts of the path as the router sees them: of an absolute URL as well, and decoded, which is possible by now. */
function segmentsOf({ url }: FastifyRequest): string[] {
  const [path = ''] = url.replace(/^https?:\/\/.*?\//, '/').split(/[?#]/, 1)
  return path.split('/').map(decodeURIComponent)
}

/** Whether the router takes such a path to a route with this pattern: names, `:parameter`, and `*` at the end. */
function matches(pattern: string[], segments: string[]): boolean {
  const isOpen = pattern.at(-1) === '*'
  return (
    (isOpen ? segments.length >= pattern.length : segments.length === pattern.length) &&
    pattern.every((part, at) => part === '*' || part.startsWith(':') || part === segments[at])
  )
}
