import type { FastifyInstance, RouteOptions } from 'fastify'
import Fastify from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import { registerPlugins } from '../plugins/index.ts'
import { serverOptions } from '../plugins/server-options.ts'
import { registerRoutes } from '../routes/index.ts'
import { type Clock, SYSTEM_CLOCK } from './async/clock.ts'
import type { Config } from './config/config.ts'
import { httpAgent } from './http/agent.ts'
import { type LogDestination, logDestinations } from './telemetry/buffered-destination.ts'

/** Replacements for tests and tools. */
export interface Overrides extends Partial<Clock> {
  /** Default: the standard output. */
  logDestination?: LogDestination
  /** Called for each route; `tools/openapi` generates the contract from them. */
  onRoute?: (route: RouteOptions) => void
}

/** Builds the service, ready to listen. */
export async function buildApp(
  config: Config,
  overrides: Overrides = {},
): Promise<FastifyInstance> {
  const { logDestination, onRoute, ...replaced } = overrides
  const clock = { ...SYSTEM_CLOCK, ...replaced }
  const destinations = logDestinations(logDestination)
  const serviceVersion = packageJson.version
  const dispatcher = httpAgent({ proxies: config.outbound.proxies() })

  const app = Fastify(serverOptions(config.server, destinations.log))
  if (onRoute) app.addHook('onRoute', onRoute)
  app.addHook('onClose', () => dispatcher.destroy())
  await registerPlugins(app, { config, serviceVersion, destinations, dispatcher, clock })
  await registerRoutes(app, { config, dispatcher, clock })
  return app
}
