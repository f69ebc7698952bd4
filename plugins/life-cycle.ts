import fp from 'fastify-plugin'
import type { ProblemCode } from '../src/problem.ts'

/** Where the process stands between start and end. */
export interface LifeCycle {
  /**
   * What must be had once before the process is ready, by the problem that its lack is. A latch: whatever is taken off
   * is never put back, whatever the identity provider or CDF do.
   */
  missing: Set<ProblemCode>
  /** Set when the process has been told to end. */
  draining: boolean
}

/**
 * `app.lifeCycle`, and `Connection: close` on every answer while draining: Fastify's close() waits for keep-alive
 * connections with a request in flight until they time out, over a minute later.
 */
export const lifeCyclePlugin = fp(
  async function lifeCycle(app) {
    const state: LifeCycle = { missing: new Set(), draining: false }
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
