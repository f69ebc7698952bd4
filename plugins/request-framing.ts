import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ProxyError } from '../src/problem.ts'
import { endWithProblem } from './problems.ts'

/**
 * What of HTTP itself this service does not accept: two Host or two Authorization headers (which of them counts would
 * be a matter of opinion between us and whatever stands before us), no Host, tunnels.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export const requestFramingPlugin = fp(
  async function requestFraming(app) {
    app.addHook('onRequest', (request, _reply, done) => {
      done(isFramed(request) ? undefined : new ProxyError('invalid-request'))
    })

    // An expectation that nobody knows may be ignored; Node alone would answer 417, with no problem and no request id.
    app.server.on('checkExpectation', (request, response) =>
      app.server.emit('request', request, response),
    )
    // Node alone would hang up.
    app.server.on('connect', (request, socket) =>
      endWithProblem(app, socket as Socket, new ProxyError('invalid-request'), (name) =>
        request.headers[name]?.toString(),
      ),
    )
  },
  { name: 'request-framing', dependencies: ['problems'] },
)

/** RFC 9110 §7.2, RFC 3986 §3.2.2: a name, an IPv4 or a bracketed IPv6 address, and perhaps a port. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/

function isFramed({ raw }: FastifyRequest): boolean {
  const { rawHeaders, url = '' } = raw
  let hosts = 0
  let authorizations = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const { length } = rawHeaders[index] as string
    if (length === 4 && rawHeaders[index]?.toLowerCase() === 'host') hosts += 1
    else if (length === 13 && rawHeaders[index]?.toLowerCase() === 'authorization')
      authorizations += 1
  }
  // HTTP/1.0 needs no Host.
  if (hosts !== 1 && !(hosts === 0 && raw.httpVersionMinor === 0)) return false
  return authorizations <= 1 && HOST.test(raw.headers.host ?? '') && isDecodable(url)
}

/** The router looks at the path only; nothing that cannot be decoded is taken for a query either. */
function isDecodable(url: string): boolean {
  if (!url.includes('%')) return true
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}
