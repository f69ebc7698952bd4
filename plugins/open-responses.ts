import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { trackOpenResponses } from '../src/http/open-responses.ts'

/** Browsers and most clients do not pipeline at all. */
const MAX_OPEN_PER_CONNECTION = 32

/** Decorates `app.oldestOpenResponse`, and bounds the number of pipelined requests. */
export const openResponsesPlugin = fp(
  async function openResponses(app) {
    app.decorate('oldestOpenResponse', trackOpenResponses(app.server, MAX_OPEN_PER_CONNECTION))
    // The rest of a packet with too many requests.
    app.addHook('onRequest', ({ socket }, _reply, done) =>
      done(socket.destroyed ? new Error('connection closed') : undefined),
    )
  },
  { name: 'open-responses' },
)

declare module 'fastify' {
  interface FastifyInstance {
    /** The first response on a connection that has not been sent completely. */
    oldestOpenResponse: (socket: Socket) => ServerResponse | undefined
  }
}
