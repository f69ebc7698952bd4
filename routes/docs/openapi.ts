import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import { once } from '../../src/async/once.ts'
import { publicDocument } from '../../src/http/public-document.ts'
import { PUBLIC_ROUTE, problemResponses } from '../schemas/problem-responses.ts'
import { responseHeaders, SUCCESS_HEADERS } from '../schemas/response-headers.ts'
import { sendPublicDocument } from '../send-public-document.ts'
import type { Contract } from './load-contract.ts'

interface OpenApiOptions {
  /** Path of the contract. */
  path: string
  getContract: () => Promise<Contract>
}

/** `GET /openapi.yaml` and `/openapi.json`: the committed contract. */
export const openApiRoutes: FastifyPluginAsync<OpenApiOptions> = async (
  app,
  { path, getContract },
) => {
  const yaml = await publicDocument(await readFile(path), 'application/yaml')
  const getJson = once(async () =>
    publicDocument(JSON.stringify(await getContract()), 'application/json; charset=utf-8'),
  )

  app.get('/openapi.yaml', { schema: YAML_SCHEMA }, (request, reply) =>
    sendPublicDocument(request, reply, yaml),
  )
  app.get('/openapi.json', { schema: JSON_SCHEMA }, async (request, reply) =>
    sendPublicDocument(request, reply, await getJson()),
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
      description: 'OpenAPI 3.1.',
      headers: responseHeaders('etag', ...SUCCESS_HEADERS),
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
      description: 'OpenAPI 3.1.',
      headers: responseHeaders('etag', ...SUCCESS_HEADERS),
      content: {
        'application/json': { schema: { type: 'object', additionalProperties: true } },
      },
    },
    ...problemResponses(...PUBLIC_ROUTE),
  },
}
