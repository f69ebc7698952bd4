import { PROBLEM_CODES } from '../../src/problems/problem-types.ts'

/** A metric that alerts and the dashboard can use. */
export interface MetricShape {
  type: 'counter' | 'gauge' | 'histogram'
  /** Its labels, with possible values to test matchers with. */
  labels: Readonly<Record<string, readonly string[]>>
}

const metric = (
  type: MetricShape['type'],
  labels: MetricShape['labels'] = {},
): Readonly<MetricShape> => ({ type, labels })

/** The metrics of a service that uses Redis. `monitoring.test.ts` compares them with a scrape. */
export const METRICS: Readonly<Record<string, Readonly<MetricShape>>> = {
  http_request_duration_seconds: metric('histogram', {
    method: ['GET', 'HEAD'],
    route: [
      '/jobs/:jobId/quality',
      '/jobs/:jobId/quality/events',
      '/jobs/quality',
      '/jobs/quality/events',
      '/health/ready',
      'none',
    ],
    status: ['200', '304', '404', '499', '502', '503'],
    mode: ['plain', 'wait', 'stream'],
  }),
  cdf_job_quality_problems_total: metric('counter', { code: PROBLEM_CODES }),
  cdf_job_quality_cache_outcomes_total: metric('counter', {
    outcome: ['hit', 'miss', 'collapsed', 'stale', 'stale-if-error', 'negative'],
  }),
  cdf_job_quality_cache_entries: metric('gauge', { kind: ['done', 'pending', 'not-found'] }),
  cdf_job_quality_upstream_request_duration_seconds: metric('histogram', {
    outcome: ['ok', 'aborted', ...PROBLEM_CODES],
  }),
  cdf_job_quality_upstream_requests_in_flight: metric('gauge'),
  cdf_job_quality_upstream_queue_length: metric('gauge'),
  cdf_job_quality_upstream_concurrency_limit: metric('gauge'),
  cdf_job_quality_circuit_breaker_state: metric('gauge', {
    state: ['closed', 'open', 'half-open'],
  }),
  cdf_job_quality_cool_down_seconds: metric('gauge'),
  cdf_job_quality_token_requests_total: metric('counter', { outcome: ['success', 'failure'] }),
  cdf_job_quality_access_token_age_seconds: metric('gauge'),
  cdf_job_quality_jwks_fetches_total: metric('counter', { outcome: ['success', 'failure'] }),
  cdf_job_quality_jwks_age_seconds: metric('gauge'),
  cdf_job_quality_watched_jobs: metric('gauge'),
  cdf_job_quality_watchers: metric('gauge'),
  cdf_job_quality_streams: metric('gauge'),
  cdf_job_quality_contract_deviations_total: metric('counter', {
    field: ['status', 'qualityScorePercent', 'confidencePercent', 'matcher'],
  }),
  cdf_job_quality_redis_available: metric('gauge'),
  cdf_job_quality_redis_commands_total: metric('counter', {
    outcome: ['success', 'failure', 'rejected'],
  }),
  cdf_job_quality_redis_lookups_total: metric('counter', { outcome: ['hit', 'miss', 'invalid'] }),
  cdf_job_quality_replicas: metric('gauge'),
  cdf_job_quality_ready: metric('gauge'),
  cdf_job_quality_build_info: metric('gauge', { version: ['0.1.0'], node: ['v26.0.0'] }),
}

/** The default metrics of prom-client. */
export const DEFAULT_METRIC = /^(?:process|nodejs)_/

/** The labels that Prometheus adds to every series that it scrapes. */
export const TARGET_LABELS: ReadonlySet<string> = new Set(['job', 'instance', 'namespace', 'pod'])

/** One matcher of a selector, such as `status=~"5.."`. */
export interface Matcher {
  label: string
  operator: string
  value: string
}

/** The names in a PromQL expression. */
export interface Mentions {
  /** The selected series with their matchers. */
  series: { name: string; matchers: Matcher[] }[]
  /** The labels of `by`, `without`, `on` and `ignoring`. */
  groupings: string[]
}

/** Keywords of PromQL that look like names of series. */
const KEYWORDS = new Set([
  'and',
  'or',
  'unless',
  'bool',
  'offset',
  'by',
  'without',
  'on',
  'ignoring',
])

/** Extracts names and labels from PromQL. Unknown words count as names of series, so that tests do not miss any. */
export function mentionsOf(expression: string): Mentions {
  const series: Mentions['series'] = []
  const groupings: string[] = []
  const rest = expression
    .replace(/([A-Za-z_:][\w:]*)\s*\{([^}]*)\}/g, (_all, name: string, matchers: string) => {
      series.push({ name, matchers: matchersOf(matchers) })
      return ' '
    })
    .replace(/"[^"]*"|\[[^\]]*\]/g, ' ')
    .replace(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g, (_all, labels: string) => {
      groupings.push(...labels.split(',').map((label) => label.trim()))
      return ' '
    })
  for (const [name] of rest.matchAll(/(?<![\w:$.])[A-Za-z_:][\w:]*(?!\w|\s*\()/g)) {
    if (!KEYWORDS.has(name)) series.push({ name, matchers: [] })
  }
  return { series, groupings }
}

function matchersOf(text: string): Matcher[] {
  return [...text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(
    ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
  )
}

/** The metric of a series. A histogram has three series. */
export function metricOf(name: string): Readonly<MetricShape> | undefined {
  const own = METRICS[name]
  if (own) return own.type === 'histogram' ? undefined : own
  const histogram = METRICS[name.replace(/_(?:bucket|sum|count)$/, '')]
  return histogram?.type === 'histogram' ? histogram : undefined
}

/** Whether each alternative of a matcher matches at least one of the values. */
export function canMatch({ operator, value }: Matcher, values: readonly string[]): boolean {
  if (!operator.includes('~')) return values.includes(value)
  return value
    .split('|')
    .every((alternative) => values.some((known) => new RegExp(`^(?:${alternative})$`).test(known)))
}
