import fp from 'fastify-plugin'
import type { ProblemCode } from '../src/problem-table.ts'

/** Where the process stands between start and end. */
export class LifeCycle {
  /**
   * What must be had once before the process is ready, by the problem that its lack is. A latch: whatever is taken off
   * is never put back, whatever the identity provider or CDF do.
   */
  readonly missing = new Set<ProblemCode>()
  readonly #drained: (() => void)[] = []
  #isDraining = false

  /** Whether the process has been told to end. */
  get draining(): boolean {
    return this.#isDraining
  }

  /** Does something at once when the process is told to end. */
  onDrain(work: () => void): void {
    this.#drained.push(work)
  }

  /** Tells the process to end: it serves on, but nobody shall wait for it or come back to it. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    for (const work of this.#drained) work()
  }
}

/**
 * `app.lifeCycle`, and `Connection: close` on every answer while draining: Fastify's close() waits for keep-alive
 * connections with a request in flight until they time out, over a minute later.
 */
export const lifeCyclePlugin = fp(
  async function lifeCycle(app) {
    const state = new LifeCycle()
    app.decorate('lifeCycle', state)
    app.addHook('onSend', (_request, reply, _payload, done) => {
      if (state.draining) reply.header('connection', 'close')
      done()
    })
    app.addHook('preClose', (done) => {
      state.drain()
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
