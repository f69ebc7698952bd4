import fp from 'fastify-plugin'

/** Headers of every response, also of those to requests that the parser or the router rejects. */
export const COMMON_HEADERS = Object.freeze({
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // For everything that is not a page. Pages set their own policy.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
})

/** Sets {@link COMMON_HEADERS} and `x-request-id`. In `onSend`, because `sendCachedResponse` sets them itself. */
export const responseHeadersPlugin = fp(
  async function responseHeaders(app) {
    app.addHook('onSend', (request, reply, _payload, done) => {
      const pagePolicy = reply.getHeader('content-security-policy')
      reply.headers(COMMON_HEADERS).header('x-request-id', request.id)
      if (pagePolicy !== undefined) reply.header('content-security-policy', pagePolicy)
      done()
    })
  },
  { name: 'response-headers' },
)
