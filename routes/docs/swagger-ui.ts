import { readFile } from 'node:fs/promises'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify from 'fastify'
import type { IssuerMetadata } from '../../src/auth/callers/issuer-metadata.ts'
import { type PublicDocument, publicDocument } from '../../src/http/public-document.ts'
import type { OpenApiDocument } from './load-openapi-document.ts'
import { type DocsLogin, securityWith } from './login.ts'

/** The files of Swagger UI that its page uses. */
const FILES = [
  'index.css',
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'oauth2-redirect.html',
  'oauth2-redirect.js',
  'favicon-32x32.png',
]

const INITIALIZER = new URL('swagger-initializer.js', import.meta.url)

/** What Swagger UI depends on. */
export interface SwaggerUiOptions {
  document: OpenApiDocument
  login: DocsLogin | undefined
  /** Of the login's issuer; absent if unknown. */
  endpoints: IssuerMetadata | undefined
}

/** Renders Swagger UI for `/openapi.json` once: each file as a document, by its path. */
export async function renderSwaggerUi({
  document,
  login,
  endpoints,
}: SwaggerUiOptions): Promise<ReadonlyMap<string, PublicDocument>> {
  const documents = new Map<string, PublicDocument>()
  const headers = { 'content-security-policy': contentSecurityPolicy(endpoints?.tokenUrl) }
  const add = async (path: string, content: string | Buffer, contentType: string) => {
    documents.set(path, await publicDocument(content, contentType, headers))
  }
  // Links are relative, so that they are right behind a path prefix.
  await add('/docs', page('docs/static'), 'text/html; charset=utf-8')
  await add('/docs/', page('static'), 'text/html; charset=utf-8')
  const settings = {
    ...securityWith(document, login, endpoints),
    login: login && {
      clientId: login.clientId,
      scopes: login.scopes,
      usePkceWithAuthorizationCodeGrant: true,
    },
  }
  await add(
    '/docs/static/swagger-initializer.js',
    `const SETTINGS = ${JSON.stringify(settings)}\n${await readFile(INITIALIZER, 'utf8')}`,
    'text/javascript; charset=utf-8',
  )

  await add('/docs/static/page.css', STYLE, 'text/css; charset=utf-8')

  const app = Fastify()
  await app.register(fastifySwagger)
  await app.register(fastifySwaggerUi, { routePrefix: '/docs' })
  for (const path of FILES.map((file) => `/docs/static/${file}`)) {
    const { statusCode, headers, rawPayload } = await app.inject(path)
    if (statusCode !== 200) throw new Error(`Swagger UI answers ${statusCode} for ${path}`)
    await add(path, rawPayload, String(headers['content-type']))
  }
  await app.close()
  return documents
}

/** No response has links. Without their column, an operation fits on a narrow screen. */
const STYLE = '.swagger-ui .response-col_links { display: none }\n'

/** @param folder with the files of Swagger UI, relative to the page */
function page(folder: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>CDF job quality: API</title>
<link rel="icon" type="image/png" href="${folder}/favicon-32x32.png">
<link rel="stylesheet" href="${folder}/swagger-ui.css">
<link rel="stylesheet" href="${folder}/index.css">
<link rel="stylesheet" href="${folder}/page.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${folder}/swagger-ui-bundle.js"></script>
<script src="${folder}/swagger-initializer.js"></script>
</body>
</html>
`
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
