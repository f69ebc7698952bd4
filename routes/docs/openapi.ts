import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import { publicDocument } from '../../src/http/public-document.ts'
import { PUBLIC_ROUTE, problemResponses } from '../schemas/problem-responses.ts'
import { responseHeaders } from '../schemas/response-headers.ts'
import { sendPublicDocument } from '../send-public-document.ts'

/** Options of {@link openApiRoutes}. */
export interface OpenApiOptions {
  /** Path of the contract. */
  path: string
}

/** `GET /openapi.yaml` and `/openapi.json`: the committed contract. */
export const openApiRoutes: FastifyPluginAsync<OpenApiOptions> = async (app, { path }) => {
  const yaml = await publicDocument(await readFile(path), 'application/yaml')
  const json = await publicDocument(
    JSON.stringify(app.swagger()),
    'application/json; charset=utf-8',
  )

  app.get('/openapi.yaml', { schema: YAML_SCHEMA }, (request, reply) =>
    sendPublicDocument(request, reply, yaml),
  )
  app.get('/openapi.json', { schema: JSON_SCHEMA }, (request, reply) =>
    sendPublicDocument(request, reply, json),
  )
}

const YAML_SCHEMA = {
  operationId: 'getContractAsYaml',
  tags: ['contract'],
  summary: 'This contract as YAML',
  description: 'The same bytes as openapi.yaml in the repository.',
  security: [],
  response: {
    200: {
      description: 'OpenAPI 3.2.',
      headers: responseHeaders('cache-control', 'etag'),
      content: { 'application/yaml': { schema: { type: 'string' } } },
    },
    ...problemResponses(...PUBLIC_ROUTE),
  },
}

const JSON_SCHEMA = {
  operationId: 'getContractAsJson',
  tags: ['contract'],
  summary: 'This contract as JSON',
  description: 'The same content as the YAML.',
  security: [],
  response: {
    200: {
      description: 'OpenAPI 3.2.',
      headers: responseHeaders('cache-control', 'etag'),
      content: {
        'application/json': { schema: { type: 'object', additionalProperties: true } },
      },
    },
    ...problemResponses(...PUBLIC_ROUTE),
  },
}
