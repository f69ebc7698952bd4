import type { XStatic } from 'typebox/schema'
import type { ProblemCode, ProblemDefinition } from './problem-table.ts'
import { PROBLEM_CODES, PROBLEMS } from './problem-table.ts'

/**
 * What every failure looks like outside, as `application/problem+json`.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: {
      type: 'string',
      format: 'uri-reference',
      description: 'The page that explains this kind of problem.',
    },
    title: { type: 'string', description: 'The kind of problem in a few words.' },
    status: {
      type: 'integer',
      minimum: 400,
      maximum: 599,
      description: 'The HTTP status of the answer.',
    },
    detail: { type: 'string', description: 'A sentence for the caller.' },
    code: {
      // A tuple, since the type of a schema is read from one only.
      enum: PROBLEM_CODES as [ProblemCode],
      $id: 'ProblemCode',
      type: 'string',
      description: 'The kind of problem, for programs.',
    },
    requestId: {
      type: 'string',
      description: 'The x-request-id of this request; quote it when you ask for help.',
    },
    upstream: {
      type: 'object',
      required: ['status', 'requestId'],
      properties: {
        status: {
          anyOf: [{ type: 'integer' }, { type: 'null' }],
          description: 'The HTTP status of CDF; null if there was none.',
        },
        requestId: {
          anyOf: [{ type: 'string' }, { type: 'null' }],
          description: 'The x-request-id of CDF; null if there was none.',
        },
      },
      $id: 'UpstreamAnswer',
      additionalProperties: false,
      description: 'What CDF answered, where it was asked.',
    },
    retryAfterSeconds: {
      type: 'integer',
      minimum: 0,
      description: 'The same number as in Retry-After.',
    },
  },
  $id: 'Problem',
  additionalProperties: false,
  description: 'A problem (RFC 9457).',
} as const

/** A problem body. */
export type Problem = XStatic<typeof PROBLEM_SCHEMA>

/** What CDF answered: its HTTP status and its own request id, each `null` if there was none. */
export type UpstreamAnswer = NonNullable<Problem['upstream']>

/** The parts of a {@link ProxyError} that differ between occurrences. */
export interface ProxyErrorOptions {
  /** What led to it; logged, never shown. */
  cause?: unknown
  /** A sentence for the caller in place of the table's, where more is known; no echo of the input either. */
  detail?: string | undefined
  /** What CDF answered, if it was CDF. */
  upstream?: UpstreamAnswer | undefined
  /** Seconds until a retry can help, where somebody has said so; else the table's value is shown. */
  retryAfterSeconds?: number | undefined
}

/** The one error class: a code of the table, and why. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: ProblemCode
  readonly upstream: UpstreamAnswer | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ProblemCode, options: ProxyErrorOptions = {}) {
    super(
      options.detail ?? PROBLEMS[code].detail,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.upstream = options.upstream
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  /** HTTP status of the answer. */
  get status(): number {
    return PROBLEMS[this.code].status
  }

  /** Whether asking again can help. */
  get mayPass(): boolean {
    return this.secondsToWait !== undefined
  }

  /** What a caller is told to wait, in seconds; absent where asking again does not help. */
  get secondsToWait(): number | undefined {
    const definition: ProblemDefinition = PROBLEMS[this.code]
    return this.retryAfterSeconds ?? definition.retryAfterSeconds
  }

  /** The body that the caller of the request `requestId` gets. */
  toProblem(requestId: string): Problem {
    const { status, title } = PROBLEMS[this.code]
    const retryAfterSeconds = this.secondsToWait
    return {
      type: `/problems/${this.code}`,
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
