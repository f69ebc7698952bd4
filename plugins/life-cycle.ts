import fp from 'fastify-plugin'

/** Where the process stands between start and end. */
export interface LifeCycle {
  /** A latch: set when the first CDF token was had, and never taken back, whatever the identity provider or CDF do. */
  ready: boolean
  /** Set when the process has been told to end. */
  draining: boolean
}

/**
 * `app.lifeCycle`, and `Connection: close` on every answer while draining: Fastify's close() waits for keep-alive
 * connections with a request in flight until they time out, over a minute later.
 */
export const lifeCyclePlugin = fp(
  async function lifeCycle(app) {
    const state: LifeCycle = { ready: false, draining: false }
    app.decorate('lifeCycle', state)
    app.addHook('onSend', (_request, reply, _payload, done) => {
      if (state.draining) reply.header('connection', 'close')
      done()
    })
    app.addHook('preClose', (done) => {
      state.draining = true
      done()
    })
  },
  { name: 'life-cycle' },
)

declare module 'fastify' {
  interface FastifyInstance {
    lifeCycle: LifeCycle
  }
}
