import type { RouteOptions } from 'fastify'
import fp from 'fastify-plugin'

/** Options of {@link openApiPlugin}. */
export interface OpenApiOptions {
  serviceVersion: string
}

/**
 * `app.contractApplication()`: the contract, made of the schemas of the routes. Registered before them, since it listens
 * to each. What makes it is loaded when somebody asks, which callers who want an answer about a job never do.
 */
export const openApiPlugin = fp(
  async function openApi(app, { serviceVersion }: OpenApiOptions) {
    const routes: RouteOptions[] = []
    app.addHook('onRoute', (route) => {
      if (route.method === 'GET' && !route.schema?.hide) routes.push(route)
    })
    app.decorate('contractApplication', async () => {
      const { contractApplication } = await import('./contract-application.ts')
      return contractApplication(routes, serviceVersion)
    })
  },
  { name: 'openapi' },
)

declare module 'fastify' {
  interface FastifyInstance {
    /** A new application that has `swagger()`, the contract, as soon as it is ready. */
    contractApplication: () => Promise<FastifyInstance>
  }
}
