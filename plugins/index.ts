import type { FastifyInstance } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Clock } from '../src/async/clock.ts'
import type { Config } from '../src/config/config.ts'
import type { LogDestinations } from '../src/telemetry/buffered-destination.ts'
import { accessLogPlugin } from './access-log.ts'
import { cdfPlugin } from './cdf.ts'
import { corsPlugin } from './cors.ts'
import { fleetPlugin } from './fleet.ts'
import { jobPollerPlugin } from './job-poller.ts'
import { jobReaderPlugin } from './job-reader.ts'
import { lifeCyclePlugin } from './life-cycle.ts'
import { metricsPlugin } from './metrics.ts'
import { notFoundPlugin } from './not-found.ts'
import { openRepliesPlugin } from './open-replies.ts'
import { problemsPlugin } from './problems.ts'
import { requestTracePlugin } from './request-trace.ts'
import { responseHeadersPlugin } from './response-headers.ts'
import { strictRequestPlugin } from './strict-request.ts'

interface PluginsOptions {
  config: Config
  serviceVersion: string
  destinations: LogDestinations
  /** Sends all requests to CDF and identity providers. */
  dispatcher: Dispatcher
  clock: Clock
}

/** Registers the plugins of all routes, in the order of their hooks. */
export async function registerPlugins(
  app: FastifyInstance,
  { config, serviceVersion, destinations, dispatcher, clock }: PluginsOptions,
): Promise<void> {
  const { cdf, identityProvider, jobs, redis, upstream } = config
  await app.register(lifeCyclePlugin)
  await app.register(metricsPlugin, { ...config.metrics, serviceVersion })
  await app.register(requestTracePlugin)
  await app.register(responseHeadersPlugin)
  await app.register(openRepliesPlugin)
  await app.register(accessLogPlugin, { destinations })
  await app.register(problemsPlugin, { publicUrl: config.publicUrl })
  await app.register(strictRequestPlugin, config.server)
  await app.register(corsPlugin, config.cors)
  await app.register(notFoundPlugin)
  await app.register(fleetPlugin, { redis, cdf, identityProvider, upstream, ...clock })
  await app.register(cdfPlugin, { cdf, identityProvider, upstream, dispatcher, ...clock })
  await app.register(jobReaderPlugin, { jobs, upstream, ...clock })
  await app.register(jobPollerPlugin, { ...config.polling, ...config.watches, ...clock })
}
