import fp from 'fastify-plugin'

/**
 * One line per request, when it is over. It names what was asked by the route's pattern and never holds the query,
 * which may carry what a caller should have kept to itself. Good probes are logged at `debug`.
 */
export const accessLogPlugin = fp(
  async function accessLog(app) {
    app.addHook('onResponse', (request, reply, done) => {
      const route = request.routeOptions.url
      const level = route?.startsWith('/health/') && reply.statusCode < 400 ? 'debug' : 'info'
      request.log[level](
        {
          method: request.method,
          route,
          jobId: (request.params as { jobId?: string } | undefined)?.jobId?.slice(0, 36),
          status: reply.statusCode,
          code: reply.problemCode,
          cache: reply.getHeader('cache-status'),
          durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
        },
        'request',
      )
      done()
    })
  },
  { name: 'access-log', dependencies: ['problems'] },
)
