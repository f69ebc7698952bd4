import fp from 'fastify-plugin'

/** The policy of everything that is not a page: it may load nothing and stand in no frame. */
const NOTHING_CSP = "default-src 'none'; frame-ancestors 'none'"

/** What every answer carries, also those that the HTTP parser or the router give. A page sets a policy of its own. */
export const COMMON_HEADERS = Object.freeze({
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': NOTHING_CSP,
})

/** The headers of every answer, and the id by which it is found in the log. Four headers by hand: a general header plugin costs more than the whole cached answer. */
export const responseHeadersPlugin = fp(
  async function responseHeaders(app) {
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(COMMON_HEADERS).header('x-request-id', request.id)
      done()
    })
  },
  { name: 'response-headers' },
)
