import { setTimeout as sleep } from 'node:timers/promises'
// Its index loads what measures the process and what pushes metrics, and OpenTelemetry with them: a twentieth of the start.
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import { PROBLEM_CODES } from './problem-table.ts'
import { RequestDurations } from './request-durations.ts'

const PREFIX = 'cdf_job_quality_'

/** How late the event loop is, is looked at each 10 ms; without a single look, the least lag would be 292 years. */
const FIRST_SAMPLES_MS = 50

/**
 * Everything that is measured, in one place. No label holds a job id, a caller or a URL, so that the number of series
 * is bounded.
 *
 * What happens is counted where it happens; what is so at the moment, and counts that others keep anyway, are looked at
 * when somebody scrapes.
 *
 * @see https://prometheus.io/docs/practices/naming/
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #scrapes: (() => void)[] = []

  readonly requests = new RequestDurations(this.#registry)
  readonly problems = this.#counter('problems', 'Answers that were a problem.', ['code'])
  readonly cacheOutcomes = this.#counter(
    'cache_outcomes',
    'Reads of jobs, by how the cache took part.',
    ['outcome'],
  )
  readonly cacheEntries = this.#gauge('cache_entries', 'Jobs in the cache.', ['kind'])

  readonly upstreamRequests = new Histogram({
    name: `${PREFIX}upstream_request_duration_seconds`,
    help: 'HTTP requests to CDF, body included.',
    labelNames: ['outcome'],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8],
    registers: [this.#registry],
  })
  readonly upstreamInFlight = this.#gauge('upstream_requests_in_flight', 'Requests to CDF now.')
  readonly upstreamQueue = this.#gauge('upstream_queue_length', 'Requests that wait for a place.')
  readonly upstreamLimit = this.#gauge('upstream_concurrency_limit', 'Places for requests to CDF.')
  readonly breakerState = this.#gauge(
    'circuit_breaker_state',
    'The circuit to CDF: 1 for the state that it is in.',
    ['state'],
  )
  readonly coolDown = this.#gauge(
    'cool_down_seconds',
    'What is left of the time for which CDF is not asked because it throttles.',
  )

  readonly tokenExchanges = this.#counter(
    'token_exchanges',
    'Requests for an access token for CDF.',
    ['outcome'],
  )
  readonly tokenAge = this.#gauge(
    'access_token_age_seconds',
    'Age of the access token for CDF; NaN without one.',
  )
  readonly keyFetches = this.#counter(
    'caller_key_fetches',
    'Requests for the keys by which callers are checked.',
    ['outcome'],
  )
  readonly keysAge = this.#gauge(
    'caller_keys_age_seconds',
    'Age of the keys by which callers are checked; NaN without any.',
  )

  readonly watchedJobs = this.#gauge('watched_jobs', 'Jobs that somebody watches.')
  readonly watchers = this.#gauge('watchers', 'Streams and waiting requests, once for each job.')
  readonly streams = this.#gauge('streams', 'Open event streams.')
  readonly deviations = this.#counter(
    'contract_deviations',
    "Fields of CDF's answers that were not as its reference says.",
    ['field'],
  )
  readonly ready = this.#gauge('ready', '1 if requests may be sent here.')
  readonly #build = this.#gauge('build_info', 'Always 1; what runs is in the labels.', [
    'version',
    'node',
  ])

  constructor(serviceVersion: string) {
    // From 0 on: the first of a kind would otherwise be no increase.
    for (const code of PROBLEM_CODES) this.problems.inc({ code }, 0)
    for (const counter of [this.tokenExchanges, this.keyFetches]) {
      for (const outcome of ['success', 'failure']) counter.inc({ outcome }, 0)
    }
    this.#build.set({ version: serviceVersion, node: process.version }, 1)
  }

  /**
   * Adds what Node tells of the process, its memory and its event loop; it goes on measuring until the process ends.
   * @returns once there is something to tell
   */
  async measureProcess(): Promise<void> {
    const { default: collectDefaultMetrics } = await import('prom-client/lib/defaultMetrics.js')
    collectDefaultMetrics({ register: this.#registry })
    await sleep(FIRST_SAMPLES_MS)
  }

  /** Looks at something each time that somebody scrapes. */
  onScrape(look: () => void): void {
    this.#scrapes.push(look)
  }

  /** The type of {@link text}. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** Everything, in the text format of Prometheus. */
  text(): Promise<string> {
    for (const look of this.#scrapes) look()
    return this.#registry.metrics()
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]) {
    const registers = [this.#registry]
    return new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers })
  }

  #gauge<Label extends string = never>(name: string, help: string, labelNames: Label[] = []) {
    const registers = [this.#registry]
    return new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers })
  }
}
