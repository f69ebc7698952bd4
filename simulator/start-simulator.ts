import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
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
  /** 0, the default, takes a free one. */
  port?: number
  /** Lifetime of access tokens; default one hour. */
  lifetimeSeconds?: number
  /** The wall clock of CDF, milliseconds since the epoch. */
  now?: () => number
}

/** Whoever answers requests of a part of the simulator. */
export interface RequestHandler {
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/** A running CDF and identity provider on one port of the loopback interface. */
export interface Simulator {
  url: string
  issuer: string
  cdf: CdfSimulator
  identityProvider: IdentityProvider
  /** By the first part of the path; CDF answers everything else. */
  handlers: Map<string, RequestHandler>
  /** What the service needs in its environment to use this simulator. */
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
    lifetimeSeconds: options.lifetimeSeconds ?? 3600,
  })
  const cdf = new CdfSimulator(
    PROJECT,
    { issuer, audience: url, keys: identityProvider.keys },
    options.now,
  )
  const handlers = new Map<string, RequestHandler>([['/idp', identityProvider]])
  server.on('request', (request, response) => {
    const [part = ''] = request.url?.match(/^\/[^/?]*/) ?? []
    const handler = handlers.get(part) ?? cdf
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
