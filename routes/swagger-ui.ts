import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'
import type { DocsLogin } from './docs-login.ts'
import { docsLogin, withLogin } from './docs-login.ts'

/** Options of {@link swaggerUi}. */
export interface SwaggerUiOptions {
  /** For the Authorize button; without it one pastes a token. */
  oauth: DocsLogin | undefined
  log: FastifyBaseLogger
}

/** Swagger UI at `/docs`. */
export const swaggerUi: FastifyPluginAsync<SwaggerUiOptions> = async (app, { oauth, log }) => {
  const login = oauth && docsLogin(oauth, log)
  app.addHook('onClose', () => login?.close())

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
