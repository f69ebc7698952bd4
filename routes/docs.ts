import { readFile } from 'node:fs/promises'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

/** Options of {@link docsRoutes}. */
export interface DocsOptions {
  /** Whether `/docs` is there. */
  swaggerUi: boolean
}

/** What Swagger UI needs and nothing else; without `upgrade-insecure-requests`, which leaves a blank page on plain http. */
const SWAGGER_UI_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  // The hash is that of the one style element which the bundle of Swagger UI adds itself.
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The contract as a file, byte for byte the one in the repository, and Swagger UI to browse it. */
export const docsRoutes: FastifyPluginAsyncTypebox<DocsOptions> = async (app, { swaggerUi }) => {
  const yaml = await readFile(new URL('../openapi.yaml', import.meta.url))

  app.get(
    '/openapi.yaml',
    {
      schema: {
        operationId: 'getContractAsYaml',
        tags: ['contract'],
        summary: 'This contract, as YAML',
        response: {
          200: {
            description: 'OpenAPI 3.1.',
            content: { 'application/yaml': { schema: Type.Unsafe<Buffer>({ type: 'string' }) } },
          },
        },
      },
    },
    async (_request, reply) => reply.header('content-type', 'application/yaml').send(yaml),
  )

  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'getContractAsJson',
        tags: ['contract'],
        summary: 'This contract, as JSON',
        response: {
          200: {
            description: 'OpenAPI 3.1.',
            content: {
              'application/json': {
                schema: Type.Unsafe<string>({ type: 'object', additionalProperties: true }),
              },
            },
          },
        },
      },
    },
    async (_request, reply) =>
      reply
        .header('content-type', 'application/json; charset=utf-8')
        .send(JSON.stringify(app.swagger())),
  )

  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply.redirect(swaggerUi ? '/docs' : '/openapi.yaml'),
  )

  if (swaggerUi) {
    await app.register(async (scope) => {
      // Not the plugin's own staticCSP, which would put this policy on problems too.
      scope.addHook('onRequest', (_request, reply, done) => {
        reply.header('content-security-policy', SWAGGER_UI_CSP)
        done()
      })
      await scope.register(fastifySwaggerUi, {
        routePrefix: '/docs',
        uiConfig: { displayRequestDuration: true, tryItOutEnabled: true },
      })
    })
  }
}
