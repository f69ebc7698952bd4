import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

interface CorsOptions {
  /** Exact origins, or `*` alone; empty = no CORS headers at all. */
  origins: readonly string[]
  /** Names of request headers that are allowed besides {@link ALLOWED_REQUEST_HEADERS}. */
  allowHeaders: readonly string[]
}

const ALLOWED_REQUEST_HEADERS = [
  // What the API reads.
  'Authorization, If-None-Match, Prefer, X-Request-Id, Traceparent, Last-Event-ID',
  // What HTTP clients of front ends add to any request.
  'Accept, Cache-Control, Content-Type, Pragma, X-Requested-With',
  // What tracing adds to any request: W3C Trace Context and Baggage, Sentry, Application Insights, Datadog.
  'Tracestate, Baggage, Sentry-Trace, Request-Id, Request-Context',
  'X-Datadog-Trace-Id, X-Datadog-Parent-Id, X-Datadog-Origin, X-Datadog-Sampling-Priority, X-Datadog-Tags',
]
const EXPOSED_RESPONSE_HEADERS =
  'Age, Allow, Cache-Status, ETag, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id'

/**
 * CORS for the configured origins, without credentials: callers send a bearer token, never a cookie. Preflight requests
 * need no token. (`@fastify/cors` works in hooks only; responses past the hooks need the same headers.)
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export const corsPlugin = fp(
  async function cors(app, { origins, allowHeaders }: CorsOptions) {
    const isOn = origins.length > 0
    const deniedHeaders = Object.freeze(isOn ? { vary: 'Origin' } : {})
    const allowedHeaders = (origin: string) =>
      Object.freeze({
        vary: 'Origin',
        'access-control-allow-origin': origin,
        'access-control-expose-headers': EXPOSED_RESPONSE_HEADERS,
      })
    const byOrigin = new Map(origins.map((origin) => [origin, allowedHeaders(origin)]))
    const corsHeadersFor = (origin: string | undefined): CorsHeaders =>
      (origin === undefined ? undefined : (byOrigin.get('*') ?? byOrigin.get(origin))) ??
      deniedHeaders
    app.decorate('corsHeadersFor', corsHeadersFor)
    if (!isOn) return

    const preflightHeaders = {
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': [...ALLOWED_REQUEST_HEADERS, ...allowHeaders].join(', '),
      // Chromium caches the response for at most two hours.
      'access-control-max-age': '7200',
      // Without it, Safari waits for a body.
      'content-length': '0',
    }
    app.addHook('onRequest', (request, reply, done) => {
      if (request.method !== 'OPTIONS' || !isPreflight(request)) return done()
      reply.code(204).headers(preflightHeaders).send()
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
