import type { AddressInfo } from 'node:net'
import pretty from 'pino-pretty'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { LogDestination } from '../../src/telemetry/buffered-destination.ts'
import { startRedisServer } from '../redis-server.ts'
import { startLoadBalancer } from './load-balancer.ts'
import type { ReplicaState } from './replica-state.ts'

/** The service with its replicas. */
export interface DemoService {
  /** The one address of all replicas. */
  url: string
  /** Number of replicas. */
  count: number
  /** Of the replicas, in order. */
  metricsUrls: string[]
  isReady: () => boolean
  /** The states of the replicas, in order. */
  replicas: (jobIds: readonly string[]) => ReplicaState[]
  close: () => Promise<void>
}

/** Options of {@link startReplicas}. */
export interface ReplicasOptions {
  count: number
  /** The environment of each replica, without the two ports. */
  environment: Record<string, string>
  port: number
  /** The port for the metrics of the first replica; the others have the next ones. 0 = no metrics. */
  metricsPort: number
  /** Default: a readable log on the standard output. */
  logDestination?: LogDestination
}

/**
 * Starts the service in this process: one replica, or several behind one address with a Redis.
 * @throws ConfigError, and the errors of `redis-server` and of the listeners
 */
export async function startReplicas(options: ReplicasOptions): Promise<DemoService> {
  const { count, environment, port, metricsPort } = options
  const redis = count > 1 ? await startRedisServer() : undefined
  const shared = redis && {
    REDIS_URL: redis.url,
    // All replicas start in this one thread, so that a response of Redis can wait for a while.
    REDIS_TIMEOUT_MS: '1000',
  }
  const replicas: Awaited<ReturnType<typeof startReplica>>[] = []
  for (let index = 0; index < count; index += 1) {
    const ports = {
      PORT: redis ? '0' : `${port}`,
      METRICS_PORT: `${metricsPort && metricsPort + index}`,
    }
    const logDestination = options.logDestination ?? readableLog(redis && index + 1)
    replicas.push(await startReplica({ ...environment, ...shared, ...ports }, logDestination))
  }
  const urls = replicas.map(({ url }) => url)
  const balancer = redis && (await startLoadBalancer(port, urls))
  const [first = ''] = urls
  return {
    url: balancer ? `http://127.0.0.1:${(balancer.address() as AddressInfo).port}` : first,
    count,
    metricsUrls: metricsPort
      ? urls.map((_, index) => `http://127.0.0.1:${metricsPort + index}/metrics`)
      : [],
    isReady: () => replicas.every(({ app }) => app.lifeCycle.readinessBlockers.size === 0),
    replicas: (jobIds) =>
      replicas.map(({ app, cdfRequests }) => ({
        streams: app.watchLimit.streams,
        cdfRequests: jobIds.reduce((sum, jobId) => sum + (cdfRequests.get(jobId) ?? 0), 0),
      })),
    close: async () => {
      balancer?.close()
      await Promise.all(replicas.map(({ app }) => app.close()))
      balancer?.closeAllConnections()
      await redis?.stop()
    },
  }
}

async function startReplica(environment: Record<string, string>, logDestination: LogDestination) {
  const config = loadConfig(environment)
  const app = await buildApp(config, { logDestination })
  /** By job. */
  const cdfRequests = new Map<string, number>()
  app.jobReader.subscribe({
    onRead: (jobId, { upstream }) => {
      if (upstream) cdfRequests.set(jobId, (cdfRequests.get(jobId) ?? 0) + upstream.attempts)
    },
    isWatching: () => false,
  })
  return { app, cdfRequests, url: await app.listen({ ...config.listen }) }
}

/** @param replica the number in front of each message, if there are several replicas */
function readableLog(replica: number | undefined): LogDestination {
  return pretty({
    ignore: 'pid,hostname',
    // pino-pretty expects `caller` to be a position in the source code.
    customPrettifiers: { caller: (caller) => JSON.stringify(caller) },
    singleLine: true,
    colorize: process.stdout.isTTY,
    ...(replica && { messageFormat: `replica ${replica}: {msg}` }),
  })
}
