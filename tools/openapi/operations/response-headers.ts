/**
 * The response headers that programs use, for response schemas. Each name has one meaning everywhere. Headers for
 * browsers and proxies, such as `x-content-type-options`, are not listed.
 */
const HEADERS = {
  'x-request-id': {
    type: 'string',
    required: true,
    description: 'The id of the request: yours if you sent a valid one, else a new UUID.',
    example: '0b9f6f0e-7a35-4c5e-9d5b-3f0e3c1d2a40',
  },
  etag: {
    type: 'string',
    required: true,
    description:
      'Strong entity tag of the body, for If-None-Match. You may store the response (`cache-control: private, no-cache`), and revalidate it before each use.',
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
    example: 'GET, HEAD, OPTIONS',
  },
} as const

/** The name of a response header. */
export type ResponseHeader = keyof typeof HEADERS

/** The `headers` of a response schema. */
export function responseHeaders(...names: ResponseHeader[]) {
  return Object.fromEntries(names.map((name) => [name, HEADERS[name]]))
}

/** The headers of every success on a route with a rate limit. The description of the contract names those of problems. */
export const SUCCESS_HEADERS = [
  'x-request-id',
  'ratelimit-policy',
  'ratelimit',
] as const satisfies ResponseHeader[]
