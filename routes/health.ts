import type { FastifyPluginAsync } from 'fastify'
import { ProxyError } from '../src/problem.ts'
import { ANY_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders } from './response-headers.ts'

const HEALTHY_SCHEMA = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', const: 'ok' } },
  additionalProperties: false,
  description: 'What a good probe says.',
}

const healthy = {
  description: 'Alive, or ready.',
  headers: responseHeaders('cache-control'),
  content: {
    'application/json': {
      schema: HEALTHY_SCHEMA,
      examples: { healthy: { summary: 'Alive, or ready', value: { status: 'ok' } } },
      'x-component': 'Healthy',
    },
  },
}

/** Probes. They look at this process only and call nobody. */
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
        summary: 'Is the process alive?',
        description: 'Fails only if the process hangs or is gone: restart it then.',
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
        summary: 'May requests be sent here?',
        description:
          'A latch: 503 until the first access token for CDF and the keys by which callers are checked have been obtained, then 200 whatever CDF or the identity provider do, 503 again while the process shuts down.',
        security: [],
        response: { 200: healthy, ...problemResponses(...ANY_ROUTE, 'NotReady') },
      },
    },
    async () => {
      if (app.lifeCycle.draining) throw new ProxyError('overloaded')
      for (const code of app.lifeCycle.missing) throw new ProxyError(code)
      return { status: 'ok' }
    },
  )
}
