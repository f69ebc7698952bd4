import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import { once } from '../../src/async/once.ts'
import { publicDocument } from '../../src/http/public-document.ts'
import { sendPublicDocument } from '../send-public-document.ts'
import type { OpenApiDocument } from './load-openapi-document.ts'

interface OpenApiOptions {
  /** Path of the OpenAPI document. */
  path: string
  getDocument: () => Promise<OpenApiDocument>
}

/** `GET /openapi.yaml` and `/openapi.json`: the committed OpenAPI document. */
export const openApiRoutes: FastifyPluginAsync<OpenApiOptions> = async (
  app,
  { path, getDocument },
) => {
  const yaml = await publicDocument(await readFile(path), 'application/yaml')
  const getJson = once(async () =>
    publicDocument(JSON.stringify(await getDocument()), 'application/json; charset=utf-8'),
  )

  app.get('/openapi.yaml', (request, reply) => sendPublicDocument(request, reply, yaml))
  app.get('/openapi.json', async (request, reply) =>
    sendPublicDocument(request, reply, await getJson()),
  )
}
