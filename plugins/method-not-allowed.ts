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

    const paths: string[] = []
    let patterns: URLPattern[] | undefined
    /** Fastify's patterns of paths are those of the web, as far as they are used here. */
    function isKnown(pathname: string): boolean {
      patterns ??= paths.map((path) => new URLPattern({ pathname: path }))
      return patterns.some((pattern) => pattern.test({ pathname }))
    }
    app.addHook('onRoute', ({ method, url }) => {
      if (method === 'GET') paths.push(url)
    })

    for (const url of app.prefix ? ['', '/*'] : ['/*']) {
      app.route({
        method: otherMethods,
        url,
        schema: { hide: true },
        // Whatever is in a body, nobody looks at it.
        onRequest: (request, reply, done) => {
          const [path = ''] = request.url.split('?', 1)
          if (!isKnown(path)) return done(new ProxyError('not-found'))
          reply.header('allow', ALLOWED.join(', '))
          done(new ProxyError('method-not-allowed'))
        },
        handler: () => {},
      })
    }
  },
  { name: 'method-not-allowed', dependencies: ['problems'] },
)
