/** Every header of an answer, for response schemas. Each has one meaning, wherever it stands. */
const HEADERS = {
  'x-request-id': {
    type: 'string',
    required: true,
    description: 'The id of this request: yours if you sent a good one, else a new UUID.',
    example: '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40',
  },
  'x-content-type-options': {
    type: 'string',
    required: true,
    description: 'The content type is to be believed.',
    example: 'nosniff',
  },
  'referrer-policy': {
    type: 'string',
    required: true,
    description: 'No page that the answer leads to is told where it was.',
    example: 'no-referrer',
  },
  'content-security-policy': {
    type: 'string',
    required: true,
    description: 'What a browser may load for the answer: nothing, except for pages.',
    example: "default-src 'none'; frame-ancestors 'none'",
  },
  'cache-control': {
    type: 'string',
    required: true,
    description:
      '`private, no-cache` on what is said of jobs: keep it, but ask again with If-None-Match. `no-store` on problems and probes.',
    example: 'private, no-cache',
  },
  vary: {
    type: 'string',
    description: 'Authorization on what is said of jobs; where CORS is on, also Origin.',
    example: 'Authorization',
  },
  etag: {
    type: 'string',
    required: true,
    description: 'Strong entity tag of the body, for If-None-Match.',
    example: '"oCJG7fQnNkLVB4Dl0MyjIB"',
  },
  'cache-status': {
    type: 'string',
    description:
      'How the cache took part in an answer about jobs (RFC 9211): hit, fwd=miss or fwd=stale, and whether the upstream call was shared (collapsed).',
    example: 'cdf-job-quality; fwd=miss; collapsed',
  },
  age: {
    type: 'integer',
    description: 'Seconds since CDF said so, where the answer came from the cache.',
    example: 42,
  },
  'retry-after': {
    type: 'integer',
    description:
      'Seconds after which asking again makes sense; absent where it never will or where nobody can tell.',
    example: 2,
  },
  'preference-applied': {
    type: 'string',
    description: 'wait=N, with the value that was applied; absent if you did not ask to wait.',
    example: 'wait=25',
  },
  'x-accel-buffering': {
    type: 'string',
    required: true,
    description: 'Tells nginx to pass each event on as it comes.',
    example: 'no',
  },
  'www-authenticate': {
    type: 'string',
    required: true,
    description: 'What the door wants (RFC 6750).',
    example: 'Bearer realm="cdf-job-quality"',
  },
  allow: {
    type: 'string',
    required: true,
    description: 'The methods of this route.',
    example: 'GET, HEAD',
  },
} as const

/** The name of a header of an answer. */
export type ResponseHeader = keyof typeof HEADERS

/** The `headers` of a response schema: these, and those that every answer carries. */
export function responseHeaders(...names: ResponseHeader[]) {
  const all: ResponseHeader[] = [
    'x-request-id',
    ...names,
    'vary',
    'x-content-type-options',
    'referrer-policy',
    'content-security-policy',
  ]
  return Object.fromEntries(all.map((name) => [name, HEADERS[name]]))
}
