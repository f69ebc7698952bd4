import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import { trackOpenResponses } from '../src/http/open-responses.ts'

/** Browsers and most clients do not pipeline at all. */
const MAX_OPEN_PER_CONNECTION = 32

/** An idle connection takes about 18 KiB, so these take 300 MiB. Node closes further ones. */
const MAX_CONNECTIONS = 16_384

/** Decorates `app.oldestOpenResponse` and `app.onAbort`, and bounds connections and pipelined requests. */
export const openResponsesPlugin = fp(
  async function openResponses(app) {
    app.server.maxConnections = MAX_CONNECTIONS
    const listeners: ((response: ServerResponse) => void)[] = []
    const oldestOpenResponse = trackOpenResponses(app.server, {
      maxOpen: MAX_OPEN_PER_CONNECTION,
      onAbort: (response) => {
        for (const listener of listeners) listener(response)
      },
    })
    app.decorate('oldestOpenResponse', oldestOpenResponse)
    app.decorate('onAbort', (listener) => listeners.push(listener))
    // The rest of a packet with too many requests.
    app.addHook('onRequest', ({ socket }, reply, done) => {
      if (socket.destroyed) reply.hijack()
      else done()
    })
  },
  { name: 'open-responses' },
)

declare module 'fastify' {
  interface FastifyInstance {
    /** The first response on a connection that has not been sent completely. */
    oldestOpenResponse: (socket: Socket) => ServerResponse | undefined
    /** Registers a listener for responses that were not sent completely when their connection closed. */
    onAbort: (listener: (response: ServerResponse) => void) => void
  }
}
