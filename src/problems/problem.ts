import { PROBLEM_TYPES, type ProblemCode, type ProblemType } from './problem-types.ts'

/**
 * A problem, the body of every error response (`application/problem+json`).
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export interface Problem {
  /** URL or path of the page of the problem type. */
  type: string
  title: string
  /** HTTP status of the response. */
  status: number
  detail: string
  code: ProblemCode
  requestId: string
  /** The response of CDF, if the service sent a request. */
  upstream?: UpstreamAnswer
  /** The value of `Retry-After`. */
  retryAfterSeconds?: number
}

/** HTTP status and `x-request-id` of a response of CDF, each null if absent. */
export interface UpstreamAnswer {
  status: number | null
  requestId: string | null
}

/** Options of {@link ProblemError}. */
export interface ProblemErrorOptions {
  /** For the log, never for the caller. */
  cause?: unknown
  /** A more specific detail, under the same rules. Default: the `detail` of the problem type. */
  detail?: string | undefined
  /** The response of CDF, if the service sent a request. */
  upstream?: UpstreamAnswer | undefined
  /** Seconds until a retry can help. Default: the value of the problem type. */
  retryAfterSeconds?: number | undefined
}

/** An error with a problem type. All expected failures throw one. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  readonly upstream: UpstreamAnswer | undefined
  /** Seconds until a retry can help, if the failure itself says so. */
  readonly ownRetryAfterSeconds: number | undefined

  constructor(code: ProblemCode, options: ProblemErrorOptions = {}) {
    super(options.detail ?? PROBLEM_TYPES[code].detail, { cause: options.cause })
    this.code = code
    this.upstream = options.upstream
    this.ownRetryAfterSeconds = options.retryAfterSeconds
  }

  /** HTTP status of the response. */
  get status(): number {
    return PROBLEM_TYPES[this.code].status
  }

  /** Whether a retry can help. */
  get isTransient(): boolean {
    return this.retryAfterSeconds !== undefined
  }

  /** The value of `Retry-After`, seconds; `undefined` if a retry does not help. */
  get retryAfterSeconds(): number | undefined {
    const definition: ProblemType = PROBLEM_TYPES[this.code]
    return this.ownRetryAfterSeconds ?? definition.retryAfterSeconds
  }

  /**
   * The response body.
   * @param publicUrl where callers reach the service, without a slash at the end; makes `type` absolute
   */
  toProblem(requestId: string, publicUrl = ''): Problem {
    const { status, title } = PROBLEM_TYPES[this.code]
    const { retryAfterSeconds } = this
    return {
      type: `${publicUrl}/problems/${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      requestId,
      ...(this.upstream && { upstream: this.upstream }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }
  }
}
