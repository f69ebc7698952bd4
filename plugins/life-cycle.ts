import fp from 'fastify-plugin'
import type { ProblemCode } from '../src/problems/problem-types.ts'

/** Whether the process is starting, ready or draining. */
export class LifeCycle {
  /**
   * What the process still needs before it is ready, with its problem. `/health/ready` answers with the first. A deleted
   * entry never comes back: later failures of CDF or the identity provider do not affect readiness.
   */
  readonly readinessBlockers = new Map<'access-token' | 'jwks', ProblemCode>()
  readonly #drainListeners: (() => void)[] = []
  #isDraining = false

  /** Whether shutdown has begun. */
  get draining(): boolean {
    return this.#isDraining
  }

  /** Whether load balancers may send requests here. */
  get ready(): boolean {
    return !this.#isDraining && this.readinessBlockers.size === 0
  }

  /** Registers a listener that is called once, when shutdown begins. */
  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener)
  }

  /** Begins the shutdown: requests are still answered, but waits and streams end. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    for (const listener of this.#drainListeners) listener()
  }
}

/**
 * Decorates `app.lifeCycle`, and sends `Connection: close` while draining. Without that header, Fastify's `close()`
 * waits for busy keep-alive connections until they time out, more than a minute later.
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
