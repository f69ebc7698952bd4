import type { Problem } from '../../../src/problems/problem.ts'
import { PROBLEM_CODES, type ProblemCode } from '../../../src/problems/problem-types.ts'
import type { Describes } from './describes.ts'

/** The schema of {@link Problem}. */
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

true satisfies Describes<typeof PROBLEM_SCHEMA, Problem>
