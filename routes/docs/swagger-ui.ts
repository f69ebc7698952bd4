import type { StaticDocumentSpec } from '@fastify/swagger'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify from 'fastify'
import type { IssuerMetadata } from '../../src/auth/callers/issuer-metadata.ts'
import type { PublicDocument } from '../../src/http/public-document.ts'
import { publicDocument } from '../../src/http/public-document.ts'
import type { Contract } from './load-contract.ts'
import type { DocsLogin } from './login.ts'
import { withLogin } from './login.ts'

/** The paths of Swagger UI. The page has two, because its links are relative. */
const PATHS = [
  '/docs',
  '/docs/',
  '/docs/json',
  '/docs/yaml',
  ...[
    'index.css',
    'swagger-ui.css',
    'swagger-ui-bundle.js',
    'swagger-ui-standalone-preset.js',
    'swagger-initializer.js',
    'oauth2-redirect.html',
    'oauth2-redirect.js',
    'favicon-16x16.png',
    'favicon-32x32.png',
    'logo.svg',
  ].map((file) => `/docs/static/${file}`),
]

/** What Swagger UI depends on. */
export interface SwaggerUiOptions {
  contract: Contract
  login: DocsLogin | undefined
  /** Of the login's issuer; absent if unknown. */
  endpoints: IssuerMetadata | undefined
}

/** Renders Swagger UI once: each file as a document, by its path. */
export async function renderSwaggerUi({
  contract,
  login,
  endpoints,
}: SwaggerUiOptions): Promise<ReadonlyMap<string, PublicDocument>> {
  const document = {
    ...withLogin(contract, login, endpoints),
    // The document is served below /docs; the API is one level above.
    servers: [{ url: '..', description: 'The deployment that this document comes from' }],
  }
  const app = Fastify()
  await app.register(fastifySwagger, {
    mode: 'static',
    // The plugin's types know OpenAPI 3.0 only.
    specification: { document: document as StaticDocumentSpec['document'] },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { displayRequestDuration: true, tryItOutEnabled: true },
    ...(login && {
      initOAuth: {
        clientId: login.clientId,
        scopes: login.scopes,
        usePkceWithAuthorizationCodeGrant: true,
      },
    }),
  })
  const policy = contentSecurityPolicy(endpoints?.tokenUrl)
  const documents = new Map<string, PublicDocument>()
  for (const path of PATHS) {
    const { statusCode, headers, rawPayload } = await app.inject(path)
    if (statusCode !== 200) throw new Error(`Swagger UI answers ${statusCode} for ${path}`)
    const isPage = !/\/(json|yaml)$/.test(path)
    const pageHeaders = isPage ? { 'content-security-policy': policy } : {}
    const contentType = String(headers['content-type'])
    documents.set(path, await publicDocument(rawPayload, contentType, pageHeaders))
  }
  await app.close()
  return documents
}

/**
 * The policy for Swagger UI. The plugin's own has `upgrade-insecure-requests`, which leaves a blank page on plain http.
 * @param tokenUrl where the Authorize button gets its token
 */
function contentSecurityPolicy(tokenUrl: string | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    // The hash of the style element that the bundle of Swagger UI adds.
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
