/*
 * The parts of the OpenAPI document that callers see. A test compares these types with those that a generator makes of
 * the document. Later versions of the service may add members, statuses and codes.
 */

/** The state of a job. `Unknown` stands for a status that CDF introduced later; such a job is not done. */
export type JobStatus =
  | 'Queued'
  | 'Running'
  | 'Completed'
  | 'Failed'
  | 'Unknown'
  | (string & Record<never, never>)

/** CDF's estimates for a Completed job, in percent. 0 is a real score; `null` means no score. */
export interface JobScores {
  /** Ratio of correctly mapped instances to all mapped instances. */
  readonly qualityPercent: number | null
  readonly confidencePercent: number | null
  readonly contextualizationPercent: number | null
}

/** How the join matches. The four columns and names belong to the type `raw`, a table of CDF Raw. */
export interface JobMatcher {
  readonly type: string
  readonly dbName?: string | null
  readonly tableName?: string | null
  readonly fromColumnKey?: string | null
  readonly toColumnKey?: string | null
  readonly [member: string]: unknown
}

/** One job and, once Completed, its scores. A missing value is `null`, never 0 and never a missing member. */
export interface JobQuality {
  /** In canonical form: a UUID in lower case, or a decimal integer. */
  readonly jobId: string
  readonly status: JobStatus
  /** True for Completed and Failed only: the status does not change any more. */
  readonly done: boolean
  readonly advancedJoinExternalId: string | null
  readonly matcher: JobMatcher | null
  /** An object if Completed, else `null`. */
  readonly scores: JobScores | null
  /** The text of CDF if Failed, else `null`. */
  readonly errorMessage: string | null
  /** UTC, as in RFC 3339; the same for the other times. */
  readonly createdAt: string | null
  readonly startedAt: string | null
  readonly statusChangedAt: string | null
}

/**
 * The problem type, for programs. `connection-failed` and `unexpected-response` come from this package: no response,
 * and a response that is not from the service.
 */
export type ProblemCode =
  | 'invalid-job-id'
  | 'invalid-request'
  | 'uri-too-long'
  | 'headers-too-large'
  | 'unauthenticated'
  | 'forbidden'
  | 'job-not-found'
  | 'not-found'
  | 'method-not-allowed'
  | 'caller-keys-unavailable'
  | 'too-many-requests'
  | 'upstream-rejected'
  | 'upstream-auth-failed'
  | 'upstream-forbidden'
  | 'upstream-invalid-response'
  | 'upstream-error'
  | 'identity-provider-rejected'
  | 'identity-provider-unavailable'
  | 'upstream-throttled'
  | 'upstream-unavailable'
  | 'overloaded'
  | 'upstream-timeout'
  | 'internal-error'
  | 'connection-failed'
  | 'unexpected-response'
  | (string & Record<never, never>)

/**
 * A problem document of the service.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export interface Problem {
  /** The URL of a page about the problem, absolute or relative to the service. */
  readonly type: string
  readonly title: string
  /** The HTTP status, 400 to 599. */
  readonly status: number
  /** What happened, for people. */
  readonly detail: string
  readonly code: ProblemCode
  /** The `x-request-id` of the request. Include it in a report. */
  readonly requestId: string
  /** The response of CDF, if the service sent a request. */
  readonly upstream?: { readonly status: number | null; readonly requestId: string | null }
  /** Present if the problem is transient. */
  readonly retryAfterSeconds?: number
}

/** The problem of one job among others. In a stream it has no `status`, which is that of an HTTP response. */
export type JobProblem = Omit<Problem, 'status'> & Partial<Pick<Problem, 'status'>>

/** One job with its quality or, if that cannot be read, its problem. */
export type JobUpdate =
  | { readonly jobId: string; readonly quality: JobQuality; readonly problem: null }
  | { readonly jobId: string; readonly quality: null; readonly problem: JobProblem }

/** Whether no other update of the job follows: it is done, or its problem is permanent. */
export function isFinal({ quality, problem }: JobUpdate): boolean {
  return quality ? quality.done : problem.retryAfterSeconds === undefined
}
