import fp from 'fastify-plugin'

/** The policy of everything that is not a page: it may load nothing and stand in no frame. */
const NOTHING_CSP = "default-src 'none'; frame-ancestors 'none'"

/** What every answer carries, also those that the HTTP parser or the router give. A page sets a policy of its own. */
export const COMMON_HEADERS = Object.freeze({
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': NOTHING_CSP,
})

/**
 * The headers of every answer, and the id by which it is found in the log. By hand: a general header plugin costs more
 * than the whole cached answer. When the answer is sent, since answers about jobs go another way (`sendJobAnswer`).
 */
export const responseHeadersPlugin = fp(
  async function responseHeaders(app) {
    app.addHook('onSend', (request, reply, _payload, done) => {
      const policy = reply.getHeader('content-security-policy')
      reply.headers(COMMON_HEADERS).header('x-request-id', request.id)
      if (policy !== undefined) reply.header('content-security-policy', policy)
      done()
    })
  },
  { name: 'response-headers' },
)
