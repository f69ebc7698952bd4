import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

/** Options of {@link corsPlugin}. */
export interface CorsOptions {
  /** Exact origins, or `*` alone; empty = no CORS headers at all. */
  origins: readonly string[]
}

const ALLOWED_REQUEST_HEADERS = [
  'Authorization',
  'If-None-Match',
  'Prefer',
  'X-Request-Id',
  'Traceparent',
  'Last-Event-ID',
]
const EXPOSED_RESPONSE_HEADERS = [
  'Age',
  'Allow',
  'Cache-Status',
  'ETag',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
]

/** Headers of the response to a preflight request. Chromium caches it for at most two hours. */
const PREFLIGHT_HEADERS = Object.freeze({
  'access-control-allow-methods': 'GET, HEAD',
  'access-control-allow-headers': ALLOWED_REQUEST_HEADERS.join(', '),
  'access-control-max-age': '7200',
  // Without it, Safari waits for a body.
  'content-length': '0',
})

/**
 * CORS for the configured origins, without credentials: callers send a bearer token, never a cookie. Preflight requests
 * need no token.
 *
 * `@fastify/cors` works in hooks only, but responses to requests that never reach a hook, and cached responses, need
 * the same headers.
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export const corsPlugin = fp(
  async function cors(app, { origins }: CorsOptions) {
    const isOn = origins.length > 0
    const deniedHeaders = Object.freeze(isOn ? { vary: 'Origin' } : {})
    const allowedHeaders = (origin: string) =>
      Object.freeze({
        vary: 'Origin',
        'access-control-allow-origin': origin,
        'access-control-expose-headers': EXPOSED_RESPONSE_HEADERS.join(', '),
      })
    const byOrigin = new Map(origins.map((origin) => [origin, allowedHeaders(origin)]))
    const corsHeadersFor = (origin: string | undefined): CorsHeaders =>
      (origin === undefined ? undefined : (byOrigin.get('*') ?? byOrigin.get(origin))) ??
      deniedHeaders
    app.decorate('corsHeadersFor', corsHeadersFor)
    if (!isOn) return

    app.addHook('onRequest', (request, reply, done) => {
      if (request.method !== 'OPTIONS' || !isPreflight(request)) return done()
      reply.code(204).headers(PREFLIGHT_HEADERS).send()
    })
    app.addHook('onSend', ({ headers }, reply, _payload, done) => {
      const vary = reply.getHeader('vary')
      reply.headers(corsHeadersFor(headers.origin))
      if (vary !== undefined) reply.header('vary', `${vary}, Origin`)
      done()
    })
  },
  { name: 'cors' },
)

function isPreflight({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/** CORS headers by their names in lower case. The same object for the same origin; empty if CORS is off. */
export type CorsHeaders = Readonly<Record<string, string>>

declare module 'fastify' {
  interface FastifyInstance {
    /** The CORS headers for an `Origin`, for responses that bypass the hooks. */
    corsHeadersFor: (origin: string | undefined) => CorsHeaders
  }
}
