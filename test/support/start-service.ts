import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Simulator, SimulatorOptions } from '../../simulator/upstream/start-simulator.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { FakeClock } from './fake-clock.ts'
import { JOB_ID } from './fixtures.ts'
import { type HttpResponse, request } from './request.ts'

/** The service on a loopback port, with a simulated CDF and identity provider. */
export interface Service {
  url: string
  port: number
  app: FastifyInstance
  simulator: Simulator
  /** The log lines so far, parsed. */
  logs: Record<string, unknown>[]
  /** The clock of the service if `clock` is `'fake'`; else unused. */
  clock: FakeClock
  get: (path: string, headers?: Record<string, string>) => Promise<HttpResponse>
  /** Gets the quality of a job. */
  quality: (jobId?: string, headers?: Record<string, string>) => Promise<HttpResponse>
}

/** Options of {@link startService}. */
export interface ServiceOptions {
  environment?: Record<string, string>
  simulator?: SimulatorOptions
  /** Default: `'real'`. */
  clock?: 'fake' | 'real'
  /** Runs before the service starts. */
  prepare?: (simulator: Simulator) => void
}

/** Starts the service in this process. It stops at the end of the test. */
export async function startService(t: Test, options: ServiceOptions = {}): Promise<Service> {
  const simulator = await startSimulator(options.simulator)
  t.teardown(() => simulator.close())
  options.prepare?.(simulator)
  const clock = options.clock === 'fake' ? new FakeClock() : undefined
  return startInstance(t, simulator, options.environment, clock)
}

/**
 * Starts an instance of the service for a running simulator. It stops at the end of the test.
 * @param clock default: the real clock
 */
export async function startInstance(
  t: Pick<Test, 'teardown'>,
  simulator: Simulator,
  environment: Record<string, string> = {},
  clock?: FakeClock,
): Promise<Service> {
  const logs: Record<string, unknown>[] = []
  const config = loadConfig({
    ...simulator.environment,
    AUTH_MODE: 'none',
    // Raw requests of tests have any Host.
    AUTH_ALLOW_ANONYMOUS: 'true',
    METRICS_PORT: '0',
    // lru-cache allocates its memory at the start.
    JOB_CACHE_MAX_ENTRIES: '1000',
    ...environment,
  })
  const app = await buildApp(config, {
    ...(clock && { now: clock.now, schedule: clock.schedule }),
    random: () => 0,
    logDestination: { write: (line) => logs.push(JSON.parse(line)) },
  })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const get = (path: string, headers: Record<string, string> = {}) =>
    request(`${url}${path}`, { headers })
  return {
    url,
    port,
    app,
    simulator,
    logs,
    clock: clock ?? new FakeClock(),
    get,
    quality: (jobId = JOB_ID, headers = {}) => get(`/jobs/${jobId}/quality`, headers),
  }
}
