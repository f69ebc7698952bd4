import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

/** Options of {@link corsPlugin}. */
export interface CorsOptions {
  /** Exact origins, or `*` alone; empty = no CORS headers at all. */
  origins: readonly string[]
}

/** What a front end needs to send … */
const REQUEST_HEADERS = [
  'Authorization',
  'If-None-Match',
  'Prefer',
  'X-Request-Id',
  'Traceparent',
  'Last-Event-ID',
]
/** … and to read. */
const RESPONSE_HEADERS = [
  'Age',
  'Cache-Status',
  'ETag',
  'Preference-Applied',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
]

/** What a browser asks before it sends a token. It may remember the answer for two hours; Chromium does no longer. */
const PREFLIGHT_HEADERS = Object.freeze({
  'access-control-allow-methods': 'GET, HEAD',
  'access-control-allow-headers': REQUEST_HEADERS.join(', '),
  'access-control-max-age': '7200',
  // Safari waits for a body otherwise.
  'content-length': '0',
})

/**
 * CORS for the front ends of these origins, preflights included, before any door. No credentials: callers send a bearer
 * token, and there is no cookie to send along.
 *
 * By hand: what is refused before any hook runs, and what is sent past the hooks, needs the same headers, so that
 * `@fastify/cors` would be a second place that makes them, with work for each cached answer.
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export const corsPlugin = fp(
  async function cors(app, { origins }: CorsOptions) {
    const isOn = origins.length > 0
    const others = Object.freeze(isOn ? { vary: 'Origin' } : {})
    const headersOf = (allowed: string) =>
      Object.freeze({
        vary: 'Origin',
        'access-control-allow-origin': allowed,
        'access-control-expose-headers': RESPONSE_HEADERS.join(', '),
      })
    const allowed = new Map(origins.map((origin) => [origin, headersOf(origin)]))
    const anyOrigin = allowed.get('*')
    const corsHeadersFor = (origin: string | undefined): CorsHeaders =>
      origin === undefined ? others : (anyOrigin ?? allowed.get(origin) ?? others)
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

/** Any other OPTIONS request is a method that no route has. */
function isPreflight({ headers }: FastifyRequest): boolean {
  return headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/** Headers by their name in lower case; none without CORS. */
export type CorsHeaders = Readonly<Record<string, string>>

declare module 'fastify' {
  interface FastifyInstance {
    /** What of CORS an answer to this `Origin` carries; for what is sent without the hooks of this plugin. */
    corsHeadersFor: (origin: string | undefined) => CorsHeaders
  }
}
