import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { OpenResponses } from '../src/http/open-responses.ts'

/** One packet can hold a thousand requests. Browsers and most clients do not pipeline at all. */
const MAX_OPEN_PER_CONNECTION = 32

/**
 * An idle connection takes about 18 KiB, one that sends headers slowly up to 44 KiB, so these take 450 MiB at most. Node
 * closes further ones.
 */
const MAX_CONNECTIONS = 10_240

/** Decorates `app.openReplies` and `app.onReplyEnd`, and bounds connections and pipelined requests. */
export const openRepliesPlugin = fp(
  async function openReplies(app) {
    const listeners: ((reply: FastifyReply) => void)[] = []
    const onEnd = (reply: FastifyReply) => {
      for (const listener of listeners) listener(reply)
    }
    const openReplies = new OpenResponses(onEnd)
    app.decorate('openReplies', openReplies)
    app.decorate('onReplyEnd', (listener) => listeners.push(listener))
    app.server.maxConnections = MAX_CONNECTIONS
    app.addHook('onRequest', ({ socket }, reply, done) => {
      if (openReplies.add(socket, reply) > MAX_OPEN_PER_CONNECTION) socket.destroy()
      // The rest of the packet is not answered either.
      if (socket.destroyed) reply.hijack()
      else done()
    })
    app.addHook('onResponse', ({ socket }, reply, done) => {
      openReplies.remove(socket, reply)
      onEnd(reply)
      done()
    })
  },
  { name: 'open-replies' },
)

declare module 'fastify' {
  interface FastifyInstance {
    openReplies: OpenResponses<FastifyReply>
    /** Registers a listener for the end of each reply: it was sent, or its connection closed. */
    onReplyEnd: (listener: (reply: FastifyReply) => void) => void
  }
}
