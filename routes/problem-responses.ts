import { ProxyError } from '../src/problem.ts'
import type { ProblemCode } from '../src/problem-table.ts'
import { PROBLEMS } from '../src/problem-table.ts'
import type { ResponseHeader } from './response-headers.ts'
import { responseHeaders } from './response-headers.ts'

/** The request of the examples. */
export const EXAMPLE_REQUEST_ID = '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40'
/** The call to CDF of the examples. */
export const EXAMPLE_UPSTREAM_REQUEST_ID = '3c1f6a2e-5b7d-9e40-8a11-0d2f4b6c8e13'

interface ProblemResponseDefinition {
  /** All of one status. */
  codes: readonly [ProblemCode, ...ProblemCode[]]
  /** Besides those that every problem has. */
  headers?: readonly ResponseHeader[]
}

/** A job was looked for, and perhaps waited for. */
const JOB_HEADERS = ['cache-status', 'age', 'preference-applied'] as const

/** The answers that are problems, by the name that the contract has for them. */
const RESPONSES = {
  InvalidRequest: { codes: ['invalid-request'] },
  InvalidJobRequest: { codes: ['invalid-job-id', 'invalid-request'] },
  Unauthenticated: { codes: ['unauthenticated'], headers: ['www-authenticate'] },
  Forbidden: { codes: ['forbidden'], headers: ['www-authenticate'] },
  NotFound: { codes: ['not-found'] },
  JobNotFound: { codes: ['job-not-found'], headers: JOB_HEADERS },
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
    headers: JOB_HEADERS,
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
    headers: JOB_HEADERS,
  },
  NotReady: { codes: ['identity-provider-unavailable', 'caller-keys-unavailable', 'overloaded'] },
  UpstreamTimeout: { codes: ['upstream-timeout'], headers: JOB_HEADERS },
} as const satisfies Record<string, ProblemResponseDefinition>

/** The name of an answer that is a problem. */
export type ProblemResponse = keyof typeof RESPONSES

/** What any route can answer. */
export const ANY_ROUTE = [
  'InvalidRequest',
  'MethodNotAllowed',
  'HeadersTooLarge',
  'InternalError',
] as const satisfies ProblemResponse[]

/** The response schemas of a route for these: one per status, with an example of each problem. */
export function problemResponses(...names: ProblemResponse[]) {
  return Object.fromEntries(
    names.map((name) => [PROBLEMS[RESPONSES[name].codes[0]].status, problemResponse(name)]),
  )
}

function problemResponse(name: ProblemResponse) {
  const { codes, headers = [] }: ProblemResponseDefinition = RESPONSES[name]
  const problems = codes.map((code) =>
    new ProxyError(code, exampleOptions(code)).toProblem(EXAMPLE_REQUEST_ID),
  )
  const mayPass = problems.some(({ retryAfterSeconds }) => retryAfterSeconds !== undefined)
  return {
    description:
      codes.length === 1
        ? PROBLEMS[codes[0]].detail
        : ['One of:', ...codes.map((code) => `- \`${code}\`: ${PROBLEMS[code].detail}`)].join('\n'),
    headers: responseHeaders(
      'cache-control',
      ...(mayPass ? (['retry-after'] as const) : []),
      ...headers,
    ),
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

/** What the table of problems does not say: what CDF answered, as far as it answers at all, and how long one has to wait. */
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
