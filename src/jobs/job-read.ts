import type { CdfCall } from '../cdf/cdf-client.ts'
import type { ProxyError, UpstreamAnswer } from '../problem.ts'
import type { JobAnswer } from './job-answer.ts'
import type { NotFound } from './job-cache.ts'

/** How the cache took part in an answer, in the words of RFC 9211. */
export type CacheOutcome = 'hit' | 'miss' | 'stale' | 'stale-if-error'

/** The HTTP requests to CDF that one read took. */
export interface UpstreamCalls {
  /** How many. */
  readonly attempts: number
  /** What CDF answered last. */
  readonly last: UpstreamAnswer
  /** All of them together, without what was waited in between. */
  readonly durationMs: number
}

/** How a read ended: an answer or a problem. */
export type JobRead = {
  readonly outcome: CacheOutcome
  /** Whether an upstream call was shared with an earlier caller. */
  readonly collapsed: boolean
  /** Age of what was taken from the cache, in whole seconds; absent where nothing was. */
  readonly ageSeconds?: number
  /** What CDF was asked for it; absent if it was not asked. */
  readonly upstream?: UpstreamCalls
} & (
  | { readonly answer: JobAnswer; readonly problem?: never }
  | { readonly problem: ProxyError; readonly answer?: never }
)

/** What tells one state of a job from another: the entity tag of an answer, or the code of a problem. */
export function tagOf({ answer, problem }: JobRead): string {
  return answer ? answer.etag : `"${problem.code}"`
}

/** Whether nothing else will be said of the job, however often one asks. */
export function isFinal({ answer, problem }: JobRead): boolean {
  return answer ? answer.done : !problem.mayPass
}

/** What of a read can be told of several reads together, too. */
export type JobReadSummary = Pick<
  JobRead,
  'outcome' | 'collapsed' | 'ageSeconds' | 'upstream' | 'problem'
>

/** How the cache took part, told more finely: whether the read was another caller's, or of a job that does not exist. */
export type CountedOutcome = CacheOutcome | 'collapsed' | 'negative'

/** The one outcome that a read is counted under. */
export function countedOutcomeOf({ outcome, collapsed, problem }: JobReadSummary): CountedOutcome {
  if (outcome === 'hit') return problem ? 'negative' : 'hit'
  return collapsed ? 'collapsed' : outcome
}

/** What was read before, as an answer from the cache: with its age of now, and without a call of its own. */
export function fromCache(read: JobRead, nowMs: number): JobRead {
  if (!read.answer) return read
  return kept(read.answer, nowMs, read.outcome === 'stale-if-error' ? read.outcome : 'hit')
}

/** Several calls in one line. */
export function summaryOf(calls: readonly CdfCall[]): UpstreamCalls {
  return {
    attempts: calls.length,
    last: calls.at(-1)?.upstream ?? { status: null, requestId: null },
    durationMs: calls.reduce((sum, { durationMs }) => sum + durationMs, 0),
  }
}

/** What the cache held and may still be answered, with its age of now. */
export function kept(
  held: JobAnswer | NotFound,
  nowMs: number,
  outcome: 'hit' | 'stale-if-error',
): JobRead {
  const ageSeconds = Math.floor((nowMs - held.readAtMs) / 1000)
  return 'problem' in held
    ? { problem: held.problem, ageSeconds, outcome, collapsed: false }
    : { answer: held, ageSeconds, outcome, collapsed: false }
}
