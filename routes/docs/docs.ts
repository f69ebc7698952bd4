import { fileURLToPath } from 'node:url'
import type { FastifyPluginAsync } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Clock } from '../../src/async/clock.ts'
import { once } from '../../src/async/once.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import { sendPublicDocument } from '../send-public-document.ts'
import { type DocsLogin, fetchLoginEndpoints } from './login.ts'
import { openApiRoutes } from './openapi.ts'

interface DocsOptions extends Pick<Clock, 'now'> {
  /** Whether Swagger UI is served at `/docs`. */
  enabled: boolean
  /** For the Authorize button. Without it, people paste a token. */
  oauth: DocsLogin | undefined
  dispatcher: Dispatcher
}

const OPENAPI_FILE = fileURLToPath(new URL('../../openapi.yaml', import.meta.url))

/** Without the issuer's endpoints, Swagger UI is rendered again after this time. */
const LOGIN_RETRY_MS = 30_000

/** The OpenAPI document, and Swagger UI to browse it. */
export const docsRoutes: FastifyPluginAsync<DocsOptions> = async (
  app,
  { enabled, oauth, dispatcher, now },
) => {
  // Parsed on first use: it takes a tenth of a second, and most instances never need it.
  const getDocument = once(async () => {
    const { loadOpenApiDocument } = await import('./load-openapi-document.ts')
    return loadOpenApiDocument(OPENAPI_FILE)
  })
  await app.register(openApiRoutes, { path: OPENAPI_FILE, getDocument })
  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply.redirect(`${app.publicUrl}${enabled ? '/docs' : '/openapi.yaml'}`),
  )
  if (!enabled) return

  let validUntilMs = Number.POSITIVE_INFINITY
  const render = async () => {
    const endpoints = oauth && (await fetchLoginEndpoints({ ...oauth, dispatcher }, app.log))
    validUntilMs = oauth && !endpoints ? now() + LOGIN_RETRY_MS : Number.POSITIVE_INFINITY
    const { renderSwaggerUi } = await import('./swagger-ui.ts')
    return renderSwaggerUi({ document: await getDocument(), login: oauth, endpoints })
  }
  let getRendered = once(render)

  for (const url of ['/docs', '/docs/*']) {
    app.get(url, { schema: { hide: true } }, async (request, reply) => {
      const { pathname } = new URL(request.url, 'http://host')
      if (now() >= validUntilMs) {
        validUntilMs = Number.POSITIVE_INFINITY
        getRendered = once(render)
      }
      const document = (await getRendered()).get(pathname)
      if (!document) throw new ProblemError('not-found')
      return sendPublicDocument(request, reply, document)
    })
  }
}
