import { readFile } from 'node:fs/promises'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { DocsLogin } from './docs-login.ts'
import { docsLogin, withLogin } from './docs-login.ts'
import { ANY_ROUTE, problemResponses } from './problem-responses.ts'
import { responseHeaders } from './response-headers.ts'

/** Options of {@link docsRoutes}. */
export interface DocsOptions {
  /** Whether `/docs` is there. */
  enabled: boolean
  /** For the Authorize button; without it one pastes a token. */
  oauth: DocsLogin | undefined
}

/** The contract as a file, byte for byte the one in the repository, and Swagger UI to browse it. */
export const docsRoutes: FastifyPluginAsyncTypebox<DocsOptions> = async (app, options) => {
  const yaml = await readFile(new URL('../openapi.yaml', import.meta.url))

  app.get(
    '/openapi.yaml',
    {
      schema: {
        operationId: 'getContractAsYaml',
        tags: ['contract'],
        summary: 'This contract, as YAML',
        description: 'The file that is in the repository, byte for byte.',
        security: [],
        response: {
          200: {
            description: 'OpenAPI 3.2.',
            headers: responseHeaders(),
            content: { 'application/yaml': { schema: Type.Unsafe<Buffer>({ type: 'string' }) } },
          },
          ...problemResponses(...ANY_ROUTE),
        },
      },
    },
    async (_request, reply) => reply.header('content-type', 'application/yaml').send(yaml),
  )

  let made: string | undefined
  const json = () => {
    made ??= JSON.stringify(app.swagger())
    return made
  }
  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'getContractAsJson',
        tags: ['contract'],
        summary: 'This contract, as JSON',
        description: 'It says the same as the YAML.',
        security: [],
        response: {
          200: {
            description: 'OpenAPI 3.2.',
            headers: responseHeaders(),
            content: {
              'application/json': {
                schema: Type.Unsafe<string>({ type: 'object', additionalProperties: true }),
              },
            },
          },
          ...problemResponses(...ANY_ROUTE),
        },
      },
    },
    async (_request, reply) =>
      reply.header('content-type', 'application/json; charset=utf-8').send(json()),
  )

  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply.redirect(options.enabled ? '/docs' : '/openapi.yaml'),
  )

  if (options.enabled) await app.register(swaggerUi, options)
}

/** Swagger UI at `/docs`. */
const swaggerUi: FastifyPluginAsyncTypebox<DocsOptions> = async (app, { oauth }) => {
  const login = oauth && docsLogin(app, oauth)

  // Not the plugin's own staticCSP, which would put this policy on problems too.
  app.addHook('onRequest', async (request, reply) => {
    // What is JSON or YAML here is no page.
    if (/\/(json|yaml)$/.test(request.routeOptions.url ?? '')) return
    // Only the page waits for the issuer; its files take what is known.
    const isPage = /^\/docs\/?$/.test(request.routeOptions.url ?? '')
    const endpoints = isPage ? await login?.endpoints() : login?.known()
    reply.header('content-security-policy', swaggerUiCsp(endpoints?.tokenUrl))
  })

  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { displayRequestDuration: true, tryItOutEnabled: true },
    ...(oauth && {
      initOAuth: {
        clientId: oauth.clientId,
        scopes: oauth.scopes,
        usePkceWithAuthorizationCodeGrant: true,
      },
    }),
    // The contract is the same everywhere. Where Swagger UI gets it is below the root, to which its server is relative,
    // and whose login page opens is this deployment's.
    transformSpecification: (contract) => {
      const servers = [{ ...contract.servers[0], url: '..' }]
      return { ...withLogin(contract, oauth, login?.known()), servers }
    },
  })
}

/**
 * What Swagger UI needs and nothing else; without `upgrade-insecure-requests`, which leaves a blank page on plain http.
 * @param tokenUrl where the Authorize button gets its token
 */
function swaggerUiCsp(tokenUrl: string | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    // The hash is that of the one style element which the bundle of Swagger UI adds itself.
    "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
    "img-src 'self' data:",
    tokenUrl === undefined
      ? "connect-src 'self'"
      : `connect-src 'self' ${new URL(tokenUrl).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
