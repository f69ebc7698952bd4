import type { XStatic } from 'typebox/schema'
import type { ProblemCode, ProblemType } from './problem-types.ts'
import { PROBLEM_CODES, PROBLEM_TYPES } from './problem-types.ts'

/**
 * The schema of a problem, the body of every error response (`application/problem+json`).
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: {
      type: 'string',
      format: 'uri-reference',
      description:
        'The page of the problem type: a URL if the deployment has configured its own, else a path.',
    },
    title: { type: 'string', description: 'A short summary of the problem type.' },
    status: {
      type: 'integer',
      minimum: 400,
      maximum: 599,
      description: 'The HTTP status of the response.',
    },
    detail: { type: 'string', description: 'What happened.' },
    code: {
      // XStatic infers the type only from a tuple.
      enum: PROBLEM_CODES as [ProblemCode],
      $id: 'ProblemCode',
      type: 'string',
      description:
        'The problem type, for programs. Treat a code that you do not know by its HTTP status, and by whether the problem has `retryAfterSeconds`.',
    },
    requestId: {
      type: 'string',
      description: 'The x-request-id of this request. Include it in a report.',
    },
    upstream: {
      type: 'object',
      required: ['status', 'requestId'],
      properties: {
        status: {
          anyOf: [{ type: 'integer' }, { type: 'null' }],
          description: 'The HTTP status of the response of CDF; null without a response.',
        },
        requestId: {
          anyOf: [{ type: 'string' }, { type: 'null' }],
          description: 'The x-request-id of the response of CDF; null without one.',
        },
      },
      $id: 'UpstreamAnswer',
      additionalProperties: false,
      description: 'The response of CDF, if the service sent a request.',
    },
    retryAfterSeconds: {
      type: 'integer',
      minimum: 0,
      description: 'The value of the Retry-After header.',
    },
  },
  $id: 'Problem',
  additionalProperties: false,
  description: 'A problem (RFC 9457).',
} as const

/** A problem body. */
export type Problem = XStatic<typeof PROBLEM_SCHEMA>

/** HTTP status and `x-request-id` of a response of CDF, each null if absent. */
export type UpstreamAnswer = NonNullable<Problem['upstream']>

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
