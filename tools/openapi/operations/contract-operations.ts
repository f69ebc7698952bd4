import type { Operations } from './operation.ts'
import { PUBLIC_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders, SUCCESS_HEADERS } from './response-headers.ts'

/** The operations of `routes/problems.ts` and `routes/docs/`. */
export const CONTRACT_OPERATIONS: Operations = {
  'GET /problems/:slug': {
    operationId: 'getProblemPage',
    tags: ['contract'],
    summary: 'The page of a problem type',
    description:
      'A page for people: when the problem occurs, and what the caller and the operator can do. The `type` of each problem links to it.',
    security: [],
    params: {
      type: 'object',
      required: ['slug'],
      properties: {
        slug: {
          type: 'string',
          description: 'The code of the problem.',
          examples: ['job-not-found'],
        },
      },
    },
    response: {
      200: {
        description: 'A page.',
        headers: responseHeaders('etag', ...SUCCESS_HEADERS),
        content: { 'text/html': { schema: { type: 'string' } } },
      },
      ...problemResponses(...PUBLIC_ROUTE, 'NotFound', 'UriTooLong'),
    },
  },
  'GET /openapi.yaml': {
    operationId: 'getContractAsYaml',
    tags: ['contract'],
    summary: 'This contract as YAML',
    description: 'The same bytes as openapi.yaml in the repository.',
    security: [],
    response: {
      200: {
        description: 'OpenAPI 3.1.',
        headers: responseHeaders('etag', ...SUCCESS_HEADERS),
        content: { 'application/yaml': { schema: { type: 'string' } } },
      },
      ...problemResponses(...PUBLIC_ROUTE),
    },
  },
  'GET /openapi.json': {
    operationId: 'getContractAsJson',
    tags: ['contract'],
    summary: 'This contract as JSON',
    description: 'The same content as the YAML.',
    security: [],
    response: {
      200: {
        description: 'OpenAPI 3.1.',
        headers: responseHeaders('etag', ...SUCCESS_HEADERS),
        content: {
          'application/json': { schema: { type: 'object', additionalProperties: true } },
        },
      },
      ...problemResponses(...PUBLIC_ROUTE),
    },
  },
}
