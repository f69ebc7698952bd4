import type { FastifyBaseLogger } from 'fastify'
import type { IssuerMetadata, IssuerRequest } from '../../src/auth/callers/issuer-metadata.ts'
import { fetchIssuerMetadata } from '../../src/auth/callers/issuer-metadata.ts'
import type { OpenApiDocument } from './load-openapi-document.ts'

/** The public client with which people log in from Swagger UI: authorization code with PKCE. */
export interface DocsLogin extends Omit<IssuerRequest, 'dispatcher'> {
  clientId: string
  scopes: string[]
}

/** Fetches the issuer's endpoints; `undefined` if that fails, which is logged. */
export async function fetchLoginEndpoints(
  request: IssuerRequest,
  log: FastifyBaseLogger,
): Promise<IssuerMetadata | undefined> {
  try {
    return await fetchIssuerMetadata(request)
  } catch (err) {
    log.warn({ err }, 'OpenID discovery for Swagger UI failed')
    return undefined
  }
}

/** How callers authenticate, in the terms of OpenAPI. */
interface Security {
  security: object[]
  securitySchemes: Record<string, object>
}

/** The security of the OpenAPI document with the login of this deployment instead of the placeholder, or without any login. */
export function securityWith(
  document: OpenApiDocument,
  login: DocsLogin | undefined,
  { authorizationUrl, tokenUrl }: Partial<IssuerMetadata> = {},
): Security {
  const { components } = document as { components: Pick<Security, 'securitySchemes'> }
  const { oauth: _, ...securitySchemes } = components.securitySchemes
  const bearer = { bearer: [] }
  if (!login || !authorizationUrl || !tokenUrl) return { security: [bearer], securitySchemes }
  const scopes = Object.fromEntries(login.scopes.map((scope) => [scope, '']))
  const oauth = {
    type: 'oauth2',
    description: 'Log in, and Swagger UI sends the token with each request.',
    flows: { authorizationCode: { authorizationUrl, tokenUrl, scopes } },
  }
  return {
    security: [bearer, { oauth: login.scopes }],
    securitySchemes: { ...securitySchemes, oauth },
  }
}
