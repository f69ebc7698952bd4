import type { FastifyCorsOptions } from '@fastify/cors'
import fastifyCors from '@fastify/cors'
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
/** How long a browser may remember a preflight, in seconds; Chromium caps it at two hours. */
const PREFLIGHT_MAX_AGE_SECONDS = 7_200

/**
 * CORS for the front ends of these origins, preflights included, before any door. No credentials: callers send a bearer
 * token, and there is no cookie to send along.
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export const corsPlugin = fp(
  async function cors(app, { origins }: CorsOptions) {
    const isAny = origins.includes('*')
    app.decorate('corsHeadersFor', (origin: string | undefined): Record<string, string> => {
      if (origins.length === 0) return {}
      if (origin === undefined || !(isAny || origins.includes(origin))) return { vary: 'Origin' }
      return {
        vary: 'Origin',
        'access-control-allow-origin': isAny ? '*' : origin,
        'access-control-expose-headers': RESPONSE_HEADERS.join(', '),
      }
    })
    if (origins.length === 0) return
    const options: FastifyCorsOptions = {
      origin: isAny ? '*' : [...origins],
      methods: ['GET', 'HEAD'],
      allowedHeaders: REQUEST_HEADERS,
      exposedHeaders: RESPONSE_HEADERS,
      maxAge: PREFLIGHT_MAX_AGE_SECONDS,
      strictPreflight: false,
    }
    await app.register(fastifyCors, {
      // Any other OPTIONS request is a method that no route has.
      delegator: (request, done) => done(null, { ...options, preflight: isPreflight(request) }),
    })
  },
  { name: 'cors' },
)

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  )
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The headers for what is refused before the hook of CORS runs; none without CORS. */
    corsHeadersFor: (origin: string | undefined) => Record<string, string>
  }
}
