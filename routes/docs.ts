import { readFile } from 'node:fs/promises'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { ProxyError } from '../src/problem.ts'
import type { DocsLogin } from './docs-login.ts'
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
export const docsRoutes: FastifyPluginAsync<DocsOptions> = async (app, options) => {
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
            content: { 'application/yaml': { schema: { type: 'string' } } },
          },
          ...problemResponses(...ANY_ROUTE),
        },
      },
    },
    async (_request, reply) => reply.header('content-type', 'application/yaml').send(yaml),
  )

  const json = onceMade(async () => {
    const contract = await app.contractApplication()
    await contract.ready()
    return JSON.stringify(contract.swagger())
  })
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
                schema: { type: 'object', additionalProperties: true },
              },
            },
          },
          ...problemResponses(...ANY_ROUTE),
        },
      },
    },
    async (_request, reply) =>
      reply.header('content-type', 'application/json; charset=utf-8').send(await json()),
  )

  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply.redirect(options.enabled ? '/docs' : '/openapi.yaml'),
  )

  if (options.enabled) await app.register(lazySwaggerUi, options)
}

/** What of a request matters to a page or a file. */
const FORWARDED_HEADERS = ['if-none-match', 'if-modified-since', 'if-range', 'range'] as const
/** What every answer gets of its own. */
const OWN_HEADERS = ['connection', 'date', 'keep-alive', 'transfer-encoding']

/** Swagger UI at `/docs`: an application of its own, made when the first request comes. */
const lazySwaggerUi: FastifyPluginAsync<DocsOptions> = async (app, { oauth }) => {
  let made: FastifyInstance | undefined
  const failures = new WeakMap<object, Error>()
  const swaggerUi = onceMade(async () => {
    const plugin = await import('./swagger-ui.ts')
    const contract = await app.contractApplication()
    contract.addHook('onError', async ({ raw }, _reply, error) => {
      failures.set(raw, error)
    })
    await contract.register(plugin.swaggerUi, { oauth, log: app.log })
    await contract.ready()
    made = contract
    return contract
  })
  app.addHook('onClose', () => made?.close())

  async function forward(request: FastifyRequest, reply: FastifyReply) {
    const { pathname, search } = new URL(request.url, 'http://docs')
    // The router takes `/docs/../x` for a file of Swagger UI.
    if (!/^\/docs(\/|$)/.test(pathname)) throw new ProxyError('not-found')
    const answer = await (await swaggerUi()).inject({
      // What is not for a HEAD, Fastify leaves out by itself.
      method: 'GET',
      url: pathname + search,
      headers: Object.fromEntries(
        FORWARDED_HEADERS.map((name) => [name, request.headers[name]]).filter(([, value]) => value),
      ),
    })
    const { statusCode, rawPayload } = answer
    // Failures become problems out here, like all others.
    if (statusCode >= 400) {
      throw (
        failures.get(answer.raw.req) ??
        Object.assign(new Error('Swagger UI refuses this'), { statusCode })
      )
    }
    for (const [name, value] of Object.entries(answer.headers)) {
      if (!OWN_HEADERS.includes(name)) reply.header(name, value)
    }
    return reply.code(statusCode).send(statusCode === 304 ? undefined : rawPayload)
  }
  for (const url of ['/docs', '/docs/*']) app.get(url, { schema: { hide: true } }, forward)
}

/** What is made when it is first asked for, and then kept; if that fails, the next one tries again. */
function onceMade<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
