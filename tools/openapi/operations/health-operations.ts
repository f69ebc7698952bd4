import type { Operations } from './operation.ts'
import { ANY_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders } from './response-headers.ts'

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

/** The operations of `routes/health.ts`. */
export const HEALTH_OPERATIONS: Operations = {
  'GET /health/live': {
    operationId: 'getLiveness',
    tags: ['health'],
    summary: 'Liveness probe',
    description: 'Fails only if the process hangs.',
    security: [],
    response: { 200: healthy, ...problemResponses(...ANY_ROUTE) },
  },
  'GET /health/ready': {
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
}
