import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CdfSimulator } from './cdf-simulator.ts'
import {
  CALLER_AUDIENCE,
  CALLER_SCOPE,
  CLIENTS,
  DOCS_CLIENT,
  IdentityProvider,
} from './identity-provider.ts'

/** Options of {@link startSimulator}. */
export interface SimulatorOptions {
  /** Default: 0, a free port. */
  port?: number
  /** Default: one hour. */
  tokenLifetimeSeconds?: number
  /** The clock of CDF, milliseconds since the epoch. */
  now?: () => number
}

/** Handles the requests for one part of the simulator. */
export interface RequestHandler {
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/** CDF and an identity provider, listening on one port of the loopback interface. */
export interface Simulator {
  url: string
  issuer: string
  cdf: CdfSimulator
  identityProvider: IdentityProvider
  /** Handlers by the first segment of the path, such as `/idp`; CDF handles all other requests. */
  handlers: Map<string, RequestHandler>
  /** Environment variables with which the service uses this simulator. */
  environment: Record<string, string>
  close: () => Promise<void>
}

const PROJECT = 'demo-project'

/** Starts CDF at `/api/v1/…` and the identity provider at `/idp`. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const server = createServer({ keepAliveTimeout: 60_000 })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = `${url}/idp`
  const identityProvider = await IdentityProvider.create({
    issuer,
    audience: url,
    tokenLifetimeSeconds: options.tokenLifetimeSeconds ?? 3600,
  })
  const cdf = new CdfSimulator(
    PROJECT,
    { issuer, audience: url, jwks: identityProvider.jwks },
    options.now,
  )
  const handlers = new Map<string, RequestHandler>([['/idp', identityProvider]])
  server.on('request', (request, response) => {
    const [segment = ''] = request.url?.match(/^\/[^/?]*/) ?? []
    const handler = handlers.get(segment) ?? cdf
    handler.handle(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  return {
    url,
    issuer,
    cdf,
    identityProvider,
    handlers,
    environment: {
      CDF_URL: url,
      CDF_PROJECT: PROJECT,
      IDP_TOKEN_URL: `${issuer}/token`,
      IDP_CLIENT_ID: CLIENTS.client_secret_post,
      IDP_CLIENT_SECRET: identityProvider.clientSecret,
      AUTH_ISSUER: issuer,
      AUTH_AUDIENCE: CALLER_AUDIENCE,
      AUTH_REQUIRED_SCOPE: CALLER_SCOPE,
      DOCS_OAUTH_CLIENT_ID: DOCS_CLIENT,
      DOCS_OAUTH_SCOPES: CALLER_SCOPE,
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
