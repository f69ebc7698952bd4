import type { CdfRequest } from '../cdf/cdf-client.ts'
import type { ProblemError, UpstreamAnswer } from '../problems/problem.ts'
import type { CachedResponse } from './cached-response.ts'
import type { NotFound } from './job-cache.ts'

/** The cache outcome of a read, in the terms of RFC 9211. */
export type CacheOutcome = 'hit' | 'miss' | 'stale' | 'stale-if-error'

/** The HTTP requests to CDF that one read took. */
export interface UpstreamRequests {
  readonly attempts: number
  /** The last response of CDF. */
  readonly last: UpstreamAnswer
  /** Sum of all attempts, without the time between them. */
  readonly durationMs: number
}

/** The result of a read: a response or a problem. */
export type ReadResult = {
  readonly outcome: CacheOutcome
  /** Whether the read joined another caller's upstream read. */
  readonly collapsed: boolean
  /** Age of a cached entry in whole seconds; absent for a read of CDF. */
  readonly ageSeconds?: number
  /** Absent if no request was sent to CDF. */
  readonly upstream?: UpstreamRequests
} & (
  | { readonly response: CachedResponse; readonly problem?: never }
  | { readonly problem: ProblemError; readonly response?: never }
)

/** The part of a {@link ReadResult} that also describes a read of several jobs. */
export type ReadSummary = Pick<
  ReadResult,
  'outcome' | 'collapsed' | 'ageSeconds' | 'upstream' | 'problem'
>

/** {@link CacheOutcome} with two more values, for metrics and the log. `negative` is a cached 404. */
export type CountedOutcome = CacheOutcome | 'collapsed' | 'negative'

/** Identifies the state of a job: the entity tag of a response, or the code of a problem. */
export function stateTag({ response, problem }: ReadResult): string {
  return response ? response.etag : `"${problem.code}"`
}

/** Whether watching ends: the job is done, or its problem is permanent. */
export function isFinal({ response, problem }: ReadResult): boolean {
  return response ? response.done : !problem.isTransient
}

/** The outcome that a read is counted under. */
export function countedOutcome({ outcome, collapsed, problem }: ReadSummary): CountedOutcome {
  if (outcome === 'hit') return problem ? 'negative' : 'hit'
  return collapsed ? 'collapsed' : outcome
}

/** Summarizes the requests of one read. */
export function summarizeRequests(requests: readonly CdfRequest[]): UpstreamRequests {
  return {
    attempts: requests.length,
    last: requests.at(-1)?.upstream ?? { status: null, requestId: null },
    durationMs: requests.reduce((sum, { durationMs }) => sum + durationMs, 0),
  }
}

/** A cache entry as the result of a read. */
export function fromCacheEntry(
  entry: CachedResponse | NotFound,
  nowMs: number,
  outcome: 'hit' | 'stale-if-error' = 'hit',
): ReadResult {
  const ageSeconds = Math.floor((nowMs - entry.readAtMs) / 1000)
  return 'problem' in entry
    ? { problem: entry.problem, ageSeconds, outcome, collapsed: false }
    : { response: entry, ageSeconds, outcome, collapsed: false }
}

/** An earlier result as a hit, with its current age. */
export function withCurrentAge(result: ReadResult, nowMs: number): ReadResult {
  if (!result.response) return result
  const outcome = result.outcome === 'stale-if-error' ? result.outcome : 'hit'
  return fromCacheEntry(result.response, nowMs, outcome)
}
