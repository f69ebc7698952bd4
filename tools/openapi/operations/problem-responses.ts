import { ProblemError } from '../../../src/problems/problem.ts'
import { PROBLEM_TYPES, type ProblemCode } from '../../../src/problems/problem-types.ts'
import { type ResponseHeader, responseHeaders } from './response-headers.ts'

/** The request id in examples. */
export const EXAMPLE_REQUEST_ID = '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40'
/** The request id of CDF in examples. */
export const EXAMPLE_UPSTREAM_REQUEST_ID = '3c1f6a2e-5b7d-9e40-8a11-0d2f4b6c8e13'

interface ProblemResponseDefinition {
  /** Codes with the same status. */
  codes: readonly [ProblemCode, ...ProblemCode[]]
  /** In addition to `retry-after`. */
  headers?: readonly ResponseHeader[]
}

/** Problem responses, by their names in the contract. */
const RESPONSES = {
  InvalidRequest: { codes: ['invalid-request'] },
  InvalidJobRequest: { codes: ['invalid-job-id', 'invalid-request'] },
  Unauthenticated: { codes: ['unauthenticated'], headers: ['www-authenticate'] },
  Forbidden: { codes: ['forbidden'], headers: ['www-authenticate'] },
  NotFound: { codes: ['not-found'] },
  JobNotFound: { codes: ['job-not-found'] },
  MethodNotAllowed: { codes: ['method-not-allowed'], headers: ['allow'] },
  UriTooLong: { codes: ['uri-too-long'] },
  TooManyRequests: { codes: ['too-many-requests'] },
  HeadersTooLarge: { codes: ['headers-too-large'] },
  InternalError: { codes: ['internal-error'] },
  UpstreamFailed: {
    codes: [
      'upstream-rejected',
      'upstream-auth-failed',
      'upstream-forbidden',
      'upstream-invalid-response',
      'upstream-error',
      'identity-provider-rejected',
    ],
  },
  CallerKeysUnavailable: { codes: ['caller-keys-unavailable'] },
  JobUnavailable: {
    codes: [
      'caller-keys-unavailable',
      'identity-provider-unavailable',
      'upstream-throttled',
      'upstream-unavailable',
      'overloaded',
    ],
  },
  CredentialsRejected: { codes: ['identity-provider-rejected'] },
  NotReady: { codes: ['identity-provider-unavailable', 'caller-keys-unavailable', 'overloaded'] },
  UpstreamTimeout: { codes: ['upstream-timeout'] },
} as const satisfies Record<string, ProblemResponseDefinition>

/** The name of a problem response. */
export type ProblemResponse = keyof typeof RESPONSES

/** The problem responses of every route. */
export const ANY_ROUTE = [
  'InvalidRequest',
  'MethodNotAllowed',
  'HeadersTooLarge',
  'InternalError',
] as const satisfies ProblemResponse[]

/** The problem responses of a route that needs no token, except those of health. */
export const PUBLIC_ROUTE = [...ANY_ROUTE, 'TooManyRequests'] as const satisfies ProblemResponse[]

/** The response schemas of a route: one per status, with an example of each problem. */
export function problemResponses(...names: ProblemResponse[]) {
  return Object.fromEntries(
    names.map((name) => [PROBLEM_TYPES[RESPONSES[name].codes[0]].status, problemResponse(name)]),
  )
}

function problemResponse(name: ProblemResponse) {
  const { codes, headers = [] }: ProblemResponseDefinition = RESPONSES[name]
  const problems = codes.map((code) =>
    new ProblemError(code, exampleOptions(code)).toProblem(EXAMPLE_REQUEST_ID),
  )
  const isTransient = problems.some(({ retryAfterSeconds }) => retryAfterSeconds !== undefined)
  return {
    description:
      codes.length === 1
        ? PROBLEM_TYPES[codes[0]].detail
        : ['One of:', ...codes.map((code) => `- \`${code}\`: ${PROBLEM_TYPES[code].detail}`)].join(
            '\n',
          ),
    headers: responseHeaders(...(isTransient ? (['retry-after'] as const) : []), ...headers),
    content: {
      'application/problem+json': {
        schema: { $ref: 'Problem' },
        examples: Object.fromEntries(
          problems.map((problem) => [problem.code, { summary: problem.title, value: problem }]),
        ),
        'x-component': name,
      },
    },
  }
}

/** The members of an example that depend on the occurrence. */
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
  if (code === 'too-many-requests') return { retryAfterSeconds: 17 }
  const status = statuses[code]
  return status === undefined
    ? {}
    : { upstream: { status, requestId: EXAMPLE_UPSTREAM_REQUEST_ID } }
}
