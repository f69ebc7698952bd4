import type { Registry } from 'prom-client'
import Histogram from 'prom-client/lib/histogram.js'

/** What a request was made for: an answer at once, one when something has changed, or a stream. */
export type RequestMode = 'plain' | 'wait' | 'stream'

const NAME = 'http_request_duration_seconds'
const HELP = 'HTTP requests, from the first byte to the last one of the answer.'
const LABELS = ['method', 'route', 'status', 'mode'] as const
const BUCKETS_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** In place of a route, where there is none. */
const NO_ROUTE = 'none'

/** The requests with the same labels. */
interface Series {
  readonly labels: { method: string; route: string; status: number; mode: RequestMode }
  /** How many took so long at most, and longer than the bucket before; those above all of them at the end. */
  readonly counts: number[]
  sumSeconds: number
  /** Its labels, for the log. */
  readonly labelsForLog: string
}

/**
 * The histogram of requests. The library's own puts a key together from the labels for each request, some per
 * cent of the time of a cached answer; here the series of a route are looked through instead, and put into the library's form
 * when somebody scrapes.
 */
export class RequestDurations extends Histogram<(typeof LABELS)[number]> {
  readonly #byRoute = new Map<string, Series[]>()

  constructor(registry: Registry) {
    super({
      name: NAME,
      help: HELP,
      labelNames: LABELS,
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    })
  }

  /**
   * Counts a request.
   * @param route the pattern; absent for what no route was found for
   * @returns what it was counted under, for the log: members of a JSON object, without a route where there was none; made
   *   once for all requests alike
   */
  count(
    method: string,
    route: string | undefined,
    status: number,
    mode: RequestMode,
    seconds: number,
  ): string {
    const series = this.#seriesOf(method, route ?? NO_ROUTE, status, mode)
    let bucket = 0
    while (seconds > (BUCKETS_SECONDS[bucket] ?? Number.POSITIVE_INFINITY)) bucket += 1
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sumSeconds += seconds
    return series.labelsForLog
  }

  #seriesOf(method: string, route: string, status: number, mode: RequestMode): Series {
    let ofRoute = this.#byRoute.get(route)
    if (!ofRoute) {
      ofRoute = []
      this.#byRoute.set(route, ofRoute)
    }
    for (const series of ofRoute) {
      const { labels } = series
      if (labels.status === status && labels.method === method && labels.mode === mode)
        return series
    }
    const counts = new Array<number>(BUCKETS_SECONDS.length + 1).fill(0)
    const labels = { method, route, status, mode }
    const forLog = { ...labels, route: route === NO_ROUTE ? undefined : route }
    const labelsForLog = JSON.stringify(forLog).slice(1, -1)
    const series = { labels, counts, sumSeconds: 0, labelsForLog }
    ofRoute.push(series)
    return series
  }

  /** What the registry asks a metric for, and what `get` goes by; the library's types do not name it. */
  async getForPromString(): Promise<MetricText> {
    const values = [...this.#byRoute.values()].flat().flatMap(samplesOf)
    return { name: NAME, help: HELP, type: 'histogram', values }
  }
}

/** A metric as the registry writes it. */
interface MetricText {
  name: string
  help: string
  type: 'histogram'
  values: Sample[]
}

/** One line of the text. */
interface Sample {
  metricName: string
  value: number
  labels: Record<string, string | number>
}

/** As in the text format: how many took so long at most, shorter ones included. */
function samplesOf({ labels, counts, sumSeconds }: Series): Sample[] {
  let count = 0
  const buckets = [...BUCKETS_SECONDS, '+Inf'].map((le, bucket) => {
    count += counts[bucket] ?? 0
    return { metricName: `${NAME}_bucket`, value: count, labels: { le, ...labels } }
  })
  return [
    ...buckets,
    { metricName: `${NAME}_sum`, value: sumSeconds, labels },
    { metricName: `${NAME}_count`, value: count, labels },
  ]
}
