import type { FastifyPluginAsync } from 'fastify'
import { ProblemError } from '../src/problems/problem.ts'
import { ANY_ROUTE, problemResponses } from './schemas/problem-responses.ts'
import { responseHeaders } from './schemas/response-headers.ts'

const HEALTHY_SCHEMA = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', const: 'ok' } },
  additionalProperties: false,
  description: 'The response to a successful probe.',
}

const healthy = {
  description: 'Alive, or ready.',
  headers: responseHeaders('x-request-id'),
  content: {
    'application/json': {
      schema: HEALTHY_SCHEMA,
      examples: { healthy: { summary: 'Alive, or ready', value: { status: 'ok' } } },
      'x-component': 'Healthy',
    },
  },
}

/** Probes. They check only this process and send no requests. */
export const healthRoutes: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })

  app.get(
    '/live',
    {
      schema: {
        operationId: 'getLiveness',
        tags: ['health'],
        summary: 'Liveness probe',
        description: 'Fails only if the process hangs.',
        security: [],
        response: { 200: healthy, ...problemResponses(...ANY_ROUTE) },
      },
    },
    async () => ({ status: 'ok' }),
  )

  app.get(
    '/ready',
    {
      schema: {
        operationId: 'getReadiness',
        tags: ['health'],
        summary: 'Readiness probe',
        description:
          'A problem until the process has obtained its first access token for CDF and the JWKS of the issuer of callers: 502 if the identity provider rejects the credentials of the service, else 503. From then on 200, whatever happens to CDF or the identity provider, until the process shuts down (503).',
        security: [],
        response: {
          200: healthy,
          ...problemResponses(...ANY_ROUTE, 'CredentialsRejected', 'NotReady'),
        },
      },
    },
    async () => {
      if (app.lifeCycle.draining) throw new ProblemError('overloaded')
      const [blocker] = app.lifeCycle.readinessBlockers.values()
      if (blocker) throw new ProblemError(blocker)
      return { status: 'ok' }
    },
  )
}
