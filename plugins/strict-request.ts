import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isLoopbackHost } from '../src/http/loopback.ts'
import { ProblemError } from '../src/problems/problem.ts'
import { endWithProblem } from './problems.ts'

interface StrictRequestOptions {
  /**
   * Accept only loopback names in `Host`: for a service without authentication, so that a page on the internet cannot
   * reach it by rebinding its own name to a loopback address.
   */
  loopbackHostOnly: boolean
}

/**
 * Rejects requests that Node accepts, but that proxies can interpret differently: two Host or two Authorization headers,
 * no Host header, an invalid encoding in the URL. Also rejects CONNECT.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export const strictRequestPlugin = fp(
  async function strictRequest(app, { loopbackHostOnly }: StrictRequestOptions) {
    app.addHook('onRequest', (request, _reply, done) => {
      if (!isUnambiguous(request)) return done(new ProblemError('invalid-request'))
      done(loopbackHostOnly && !isLoopbackHost(request.headers.host) ? notLoopback() : undefined)
    })

    // Node would answer an unknown Expect header with a 417 without a problem. RFC 9110 §10.1.1 allows ignoring it.
    app.server.on('checkExpectation', (request, response) =>
      app.server.emit('request', request, response),
    )
    // Node would close the connection without a response.
    app.server.on('connect', (request, socket) =>
      endWithProblem(app, socket as Socket, new ProblemError('invalid-request'), (name) =>
        request.headers[name]?.toString(),
      ),
    )
  },
  { name: 'strict-request', dependencies: ['problems'] },
)

/** RFC 9110 §7.2, RFC 3986 §3.2.2: a name, an IPv4 or a bracketed IPv6 address, and an optional port. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/

function notLoopback(): ProblemError {
  const detail = 'Without authentication, the service answers only requests to localhost.'
  return new ProblemError('invalid-request', { detail })
}

function isUnambiguous({ raw }: FastifyRequest): boolean {
  const hosts = countHeaders(raw.rawHeaders, 'host')
  const isHttp10 = raw.httpVersionMinor === 0
  if (hosts !== 1 && !(hosts === 0 && isHttp10)) return false
  return (
    countHeaders(raw.rawHeaders, 'authorization') <= 1 &&
    HOST.test(raw.headers.host ?? '') &&
    isDecodable(raw.url ?? '')
  )
}

/** @param rawHeaders names and values alternate */
function countHeaders(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { length } = rawHeaders[index] as string
    if (length === name.length && rawHeaders[index]?.toLowerCase() === name) count += 1
  }
  return count
}

/** The router decodes only the path; this also checks the query. */
function isDecodable(url: string): boolean {
  if (!url.includes('%')) return true
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}
