import { Type } from 'typebox'
import type { ProblemCode } from '../src/problem.ts'
import { PROBLEMS, ProxyError } from '../src/problem.ts'

/** The request of the examples. */
export const EXAMPLE_REQUEST_ID = '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40'

/** Headers that every answer of this service carries, for response schemas. */
export const COMMON_RESPONSE_HEADERS = {
  'x-request-id': {
    type: 'string',
    description: 'The id of this request: yours if you sent a good one, else a new UUID.',
  },
}

/** The response schemas of a route for these problems: one per status, with an example of each problem. */
export function problemResponses(...codes: ProblemCode[]) {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, codesOfStatus]) => [status, problemResponse(codesOfStatus)]),
  )
}

function problemResponse(codes: ProblemCode[]) {
  const problems = codes.map((code) =>
    new ProxyError(code, exampleOptions(code)).toProblem(EXAMPLE_REQUEST_ID),
  )
  const mayRetry = problems.some((problem) => problem.retryAfterSeconds !== undefined)
  return {
    description: problems.map(({ title }) => `${title}.`).join(' '),
    headers: {
      ...COMMON_RESPONSE_HEADERS,
      ...(mayRetry && {
        'retry-after': {
          type: 'integer',
          description: 'Seconds after which asking again can help.',
        },
      }),
      ...(codes.some((code) => code === 'unauthenticated' || code === 'forbidden') && {
        'www-authenticate': {
          type: 'string',
          description: 'What the door wants (RFC 6750).',
        },
      }),
      ...(codes.includes('method-not-allowed') && {
        allow: { type: 'string', description: 'The methods of this route.' },
      }),
    },
    content: {
      'application/problem+json': {
        schema: Type.Ref('Problem'),
        examples: Object.fromEntries(
          problems.map((problem) => [problem.code, { summary: problem.title, value: problem }]),
        ),
      },
    },
  }
}

/** What CDF answers in the case of each problem, as far as CDF answers at all. */
function exampleOptions(code: ProblemCode) {
  const statuses: Partial<Record<ProblemCode, number>> = {
    'job-not-found': 404,
    'upstream-rejected': 400,
    'upstream-auth-failed': 401,
    'upstream-forbidden': 403,
    'upstream-invalid-response': 200,
    'upstream-error': 503,
    'upstream-throttled': 429,
  }
  const status = statuses[code]
  return status === undefined
    ? {}
    : { upstream: { status, requestId: '3c1f6a2e-5b7d-9e40-8a11-0d2f4b6c8e13' } }
}
