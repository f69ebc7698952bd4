import type { FastifyBaseLogger } from 'fastify'
import type { IssuerMetadata } from '../src/callers/issuer-metadata.ts'
import { fetchIssuerMetadata } from '../src/callers/issuer-metadata.ts'
import { httpAgent } from '../src/http-agent.ts'

/** How people log in from Swagger UI: authorization code with PKCE, by a public client of callers' issuer. */
export interface DocsLogin {
  issuer: string
  clientId: string
  scopes: string[]
  /** For the discovery of the issuer. */
  timeoutMs: number
}

/** A failed discovery is not repeated sooner, so that the page does not wait for it at each of its files. */
const RETRY_MS = 30_000

/** Where the login is, as far as the issuer says; asked when the page is opened, and known from then on. */
export function docsLogin({ issuer, timeoutMs }: DocsLogin, log: FastifyBaseLogger) {
  const agent = httpAgent()
  let known: IssuerMetadata | undefined
  let asked: Promise<IssuerMetadata | undefined> | undefined
  let notBeforeMs = 0

  const ask = () =>
    fetchIssuerMetadata({ issuer, timeoutMs, dispatcher: agent })
      .then((metadata) => {
        known = metadata
        return metadata
      })
      .catch((err: unknown) => {
        log.warn({ err }, 'no login for Swagger UI')
        notBeforeMs = performance.now() + RETRY_MS
        return undefined
      })
      .finally(() => {
        asked = undefined
      })

  return {
    close: () => agent.destroy(),
    known: () => known,
    endpoints: async () => {
      if (known || performance.now() < notBeforeMs) return known
      asked ??= ask()
      return asked
    },
  }
}

/** Of the contract, what {@link withLogin} changes. */
interface Contract {
  security?: object[]
  components?: { securitySchemes?: Record<string, object> }
}

/**
 * The contract with the login of this deployment in place of the one that stands for all; without any, if there is no
 * client for it or the issuer does not say where it is.
 */
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
    description: 'Log in; Swagger UI then sends the token by itself.',
    flows: { authorizationCode: { authorizationUrl, tokenUrl, scopes } },
  }
  return {
    ...contract,
    security: [bearer, { oauth: login.scopes }],
    components: { ...components, securitySchemes: { ...securitySchemes, oauth } },
  }
}
