/**
 * The response headers that programs use, for response schemas. Each name has one meaning everywhere. The headers that
 * only browsers use, such as `x-content-type-options`, are not part of the contract.
 */
const HEADERS = {
  'x-request-id': {
    type: 'string',
    required: true,
    description: 'The id of the request: yours if you sent a valid one, else a new UUID.',
    example: '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40',
  },
  'cache-control': {
    type: 'string',
    required: true,
    description:
      '`private, no-cache` for jobs: store it, and revalidate it with If-None-Match before each use. `no-cache` for public documents, `no-store` for problems and probes.',
    example: 'private, no-cache',
  },
  vary: {
    type: 'string',
    description:
      'Authorization for jobs, Accept-Encoding for public documents, and Origin if CORS is on.',
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
      'How the cache handled the request (RFC 9211): hit, fwd=miss or fwd=stale. `collapsed` means that the read of CDF was shared with another caller.',
    example: 'cdf-job-quality; fwd=miss; collapsed',
  },
  age: {
    type: 'integer',
    description: 'Age of a cached response in seconds.',
    example: 42,
  },
  'retry-after': {
    type: 'integer',
    description: 'Seconds until the next request makes sense; absent if a retry does not help.',
    example: 2,
  },
  'ratelimit-policy': {
    type: 'string',
    description:
      'Your limit: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers-10). Absent if no limit applies.',
    example: '"default";q=600;w=60',
  },
  ratelimit: {
    type: 'string',
    description: 'What is left of it: `r` requests in the next `t` seconds.',
    example: '"default";r=599;t=60',
  },
  'preference-applied': {
    type: 'string',
    description: 'wait=N with the applied value; absent without a wait preference.',
    example: 'wait=25',
  },
  'x-accel-buffering': {
    type: 'string',
    required: true,
    description: 'Tells nginx not to buffer events.',
    example: 'no',
  },
  'www-authenticate': {
    type: 'string',
    required: true,
    description: 'The challenge (RFC 6750).',
    example: 'Bearer realm="cdf-job-quality"',
  },
  allow: {
    type: 'string',
    required: true,
    description: 'The methods of the route.',
    example: 'GET, HEAD',
  },
} as const

/** The name of a response header. */
export type ResponseHeader = keyof typeof HEADERS

/** The `headers` of a response schema: the given ones and those of every response. */
export function responseHeaders(...names: ResponseHeader[]) {
  const all: ResponseHeader[] = ['x-request-id', ...names, 'vary', 'ratelimit-policy', 'ratelimit']
  return Object.fromEntries(all.map((name) => [name, HEADERS[name]]))
}
