import type { FastifyPluginAsync } from 'fastify'
import { ProblemError } from '../src/problems/problem.ts'

/** Probes. They check only this process and send no requests. */
export const healthRoutes: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })

  app.get('/live', async () => ({ status: 'ok' }))

  app.get('/ready', async () => {
    if (app.lifeCycle.draining) throw new ProblemError('overloaded')
    const [blocker] = app.lifeCycle.readinessBlockers.values()
    if (blocker) throw new ProblemError(blocker)
    return { status: 'ok' }
  })
}
