import type { FastifyBaseLogger } from 'fastify'
import type { IssuerMetadata, IssuerRequest } from '../../src/auth/callers/issuer-metadata.ts'
import { fetchIssuerMetadata } from '../../src/auth/callers/issuer-metadata.ts'

/** The public client with which people log in from Swagger UI: authorization code with PKCE. */
export interface DocsLogin {
  issuer: string
  clientId: string
  scopes: string[]
  /** For the discovery document. */
  timeoutMs: number
  /** Hosts to which `http:` is allowed besides loopback hosts; default: none. */
  insecureHttpHosts?: readonly string[]
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

/** The members of the contract that {@link withLogin} changes. */
interface Contract {
  security?: object[]
  components?: { securitySchemes?: Record<string, object> }
}

/** The contract with the login of this deployment instead of the placeholder; without any login if there is none. */
export function withLogin<Document extends Contract>(
  contract: Document,
  login: DocsLogin | undefined,
  { authorizationUrl, tokenUrl }: Partial<IssuerMetadata> = {},
): Document {
  const { oauth: _, ...securitySchemes } = contract.components?.securitySchemes ?? {}
  const components = { ...contract.components, securitySchemes }
  const bearer = { bearer: [] }
  if (!login || !authorizationUrl || !tokenUrl) {
    return { ...contract, security: [bearer], components }
  }
  const scopes = Object.fromEntries(login.scopes.map((scope) => [scope, '']))
  const oauth = {
    type: 'oauth2',
    description: 'Log in, and Swagger UI sends the token with each request.',
    flows: { authorizationCode: { authorizationUrl, tokenUrl, scopes } },
  }
  return {
    ...contract,
    security: [bearer, { oauth: login.scopes }],
    components: { ...components, securitySchemes: { ...securitySchemes, oauth } },
  }
}
