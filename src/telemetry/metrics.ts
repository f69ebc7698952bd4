import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { PROBLEM_CODES } from '../problems/problem-types.ts'
import { BufferedHistogram } from './buffered-histogram.ts'

const PREFIX = 'cdf_job_quality_'

/** Gauges of prom-client that are named like counters. Each is a sum of the gauge without `_total`. */
const MISNAMED_GAUGES = ['handles', 'requests', 'resources'].map(
  (name) => `nodejs_active_${name}_total`,
)

/**
 * Creates all metrics. No label holds a job id, a caller or a URL, so that the number of series is bounded.
 *
 * Events are counted where they happen. Gauges, and counts that a component keeps anyway, are collected on each scrape.
 * @see https://prometheus.io/docs/practices/naming/
 */
export function createMetrics(serviceVersion: string) {
  const registry = new Registry()
  const registers = [registry]
  const collectors: (() => void)[] = []
  const counter = <Label extends string = never>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ) => new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers })
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ) => new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers })

  const problems = counter('problems', 'Problem responses.', 'code')
  const tokenRequests = counter(
    'token_requests',
    'Requests for an access token for CDF.',
    'outcome',
  )
  const jwksFetches = counter('jwks_fetches', 'Fetches of the JWKS of AUTH_ISSUER.', 'outcome')
  // A counter that starts with 1 instead of 0 shows no increase in Prometheus.
  for (const code of PROBLEM_CODES) problems.inc({ code }, 0)
  for (const outcome of ['success', 'failure']) {
    tokenRequests.inc({ outcome }, 0)
    jwksFetches.inc({ outcome }, 0)
  }
  const versions = gauge('build_info', 'Always 1; the labels hold the versions.', 'version', 'node')
  versions.set({ version: serviceVersion, node: process.version }, 1)

  return {
    requests: new BufferedHistogram({
      name: 'http_request_duration_seconds',
      help: 'Duration of HTTP requests until the response was sent or the caller disconnected.',
      labelNames: ['method', 'route', 'status', 'mode'],
      buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    problems,
    cacheOutcomes: counter('cache_outcomes', 'Job reads by cache outcome.', 'outcome'),
    cacheEntries: gauge('cache_entries', 'Jobs in the cache.', 'kind'),

    upstreamRequests: new Histogram({
      name: `${PREFIX}upstream_request_duration_seconds`,
      help: 'Duration of HTTP requests to CDF, body included.',
      labelNames: ['outcome'],
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8],
      registers,
    }),
    upstreamInFlight: gauge('upstream_requests_in_flight', 'Requests to CDF in flight.'),
    upstreamQueue: gauge('upstream_queue_length', 'Requests to CDF that wait for a slot.'),
    upstreamLimit: gauge('upstream_concurrency_limit', 'Slots for requests to CDF.'),
    breakerState: gauge(
      'circuit_breaker_state',
      'State of the circuit breaker for CDF: 1 for the current state, 0 for the others.',
      'state',
    ),
    coolDown: gauge('cool_down_seconds', 'Remaining cool-down after CDF throttled a request.'),

    tokenRequests,
    tokenAge: gauge(
      'access_token_age_seconds',
      'Age of the access token for CDF; NaN without one.',
    ),
    jwksFetches,
    jwksAge: gauge('jwks_age_seconds', 'Age of the JWKS of AUTH_ISSUER; NaN without one.'),

    watchedJobs: gauge('watched_jobs', 'Jobs with at least one watcher.'),
    watchers: gauge('watchers', 'Streams and waiting requests; each counts once per job.'),
    streams: gauge('streams', 'Open event streams.'),
    deviations: counter(
      'contract_deviations',
      'Fields in responses of CDF that deviate from its API reference.',
      'field',
    ),
    ready: gauge('ready', '1 if the instance is ready, else 0.'),

    /** Adds the metrics of a service that uses Redis. Without Redis, they do not exist. */
    addRedisMetrics() {
      const commands = counter('redis_commands', 'Commands to Redis.', 'outcome')
      for (const outcome of ['success', 'failure', 'rejected']) commands.inc({ outcome }, 0)
      const lookups = counter('redis_lookups', 'Lookups of jobs in Redis.', 'outcome')
      for (const outcome of ['hit', 'miss', 'invalid']) lookups.inc({ outcome }, 0)
      return {
        available: gauge('redis_available', '1 if connected to Redis, else 0.'),
        commands,
        lookups,
        replicas: gauge('replicas', 'Live replicas that use the same Redis, this one included.'),
      }
    },
    /** Adds metrics of the process: memory, CPU, event loop, garbage collection. They are measured until the process ends. */
    collectProcessMetrics() {
      collectDefaultMetrics({ register: registry })
      for (const name of MISNAMED_GAUGES) registry.removeSingleMetric(name)
    },
    /** Registers a function that updates metrics at the beginning of each scrape. */
    onScrape(collect: () => void) {
      collectors.push(collect)
    },
    /** The content type of `text`. */
    contentType: registry.contentType,
    /** All metrics in the Prometheus text format. */
    text(): Promise<string> {
      for (const collect of collectors) collect()
      return registry.metrics()
    },
  }
}

/** The result of {@link createMetrics}. */
export type Metrics = ReturnType<typeof createMetrics>
