/** What the table below says of one kind of problem. */
export interface ProblemDefinition {
  /** HTTP status, equal in the status line and in the body. */
  status: number
  /** Short, the same for every occurrence. */
  title: string
  /** One sentence for the caller: no internals, no upstream text, no echo of the input. */
  detail: string
  /** What the caller can do; this and the next are shown at `/problems/{code}`. */
  forCaller: string
  /** What the operator of the service can look at and do. */
  forOperator: string
  /** Seconds for `Retry-After` where asking again can help and nobody knows better. */
  retryAfterSeconds?: number
}

/** The one table of everything that can go wrong. The key is the `code` and the last part of `type`. */
export const PROBLEMS = {
  'invalid-job-id': {
    status: 400,
    title: 'Invalid job id',
    detail:
      'The job id must be a UUID or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
    forCaller:
      'Send the jobId exactly as CDF returned it when the estimate quality job was created. CDF was not asked.',
    forOperator:
      'Nothing is wrong here. If one client sends many of them, its log has the ids that it took for job ids.',
  },
  'invalid-request': {
    status: 400,
    title: 'Invalid request',
    detail:
      'The request has a parameter, header, encoding or framing that this service does not accept.',
    forCaller:
      'Check the encoding of the URL, send exactly one Host and at most one Authorization header, and no body. For several jobs, give the parameter jobId 1 to 100 times.',
    forOperator:
      'If requests that were good before come out like this, look at what stands in front of the service: it may double headers or encode the URL again.',
  },
  unauthenticated: {
    status: 401,
    title: 'Unauthenticated',
    detail: 'This route needs a valid bearer token.',
    forCaller:
      'Send Authorization: Bearer followed by an access token that was issued for this service and has not expired. Get a new one before the old one ends.',
    forOperator:
      'The log line caller refused says what was wrong with a token. Check AUTH_ISSUER and AUTH_AUDIENCE against the iss and aud of a token, and the clocks.',
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: 'The bearer token lacks the scope that this route needs.',
    forCaller:
      'Ask whoever runs your identity provider to grant your client the scope that the WWW-Authenticate header names.',
    forOperator: 'AUTH_REQUIRED_SCOPE is looked for in scope, scp and roles of the token.',
  },
  'job-not-found': {
    status: 404,
    title: 'Job not found',
    detail: 'CDF has no such job, or the identity of this service may not see it.',
    forCaller:
      'Check the id and the CDF project. CDF forgets old jobs, and it hides those that it does not let this service read. An unknown id is remembered for some seconds.',
    forOperator:
      'If jobs that exist come out like this, the CDF group of the service lacks read access to the data behind them, or CDF_PROJECT is another one.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'There is no such route.',
    forCaller: 'The routes of this service are listed at /docs and in /openapi.yaml.',
    forOperator: 'Behind a path prefix, the proxy must take the prefix off.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'This route exists, but not with this method; see the Allow header.',
    forCaller: 'Every route of this service is read-only: use GET or HEAD.',
    forOperator: 'Nothing is wrong here.',
  },
  'uri-too-long': {
    status: 414,
    title: 'URI too long',
    detail: 'A part of the URL is longer than any value this service accepts.',
    forCaller: 'Shorten the URL. A job id has at most 36 characters, and 100 of them fit.',
    forOperator: 'Nothing is wrong here.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    detail: 'This caller has sent too many requests; see Retry-After.',
    forCaller:
      'Wait as long as Retry-After says. To follow jobs, hold one stream for up to 100 of them, or ask with Prefer: wait=25, instead of polling.',
    forOperator:
      'RATE_LIMIT_PER_MINUTE and CALLER_MAX_STREAMS are per caller. A caller who serves many people may need more; behind a proxy, callers without a token share its address unless TRUST_PROXY is set.',
  },
  'headers-too-large': {
    status: 431,
    title: 'Request headers too large',
    detail: 'The request line and headers together are larger than this service accepts.',
    forCaller:
      'Send fewer or smaller headers; 16 KiB are accepted with the request line. Large cookies are the usual cause.',
    forOperator: 'Nothing is wrong here. Keep cookies of other applications from this host name.',
  },
  'internal-error': {
    status: 500,
    title: 'Internal error',
    detail: 'The service failed in an unexpected way.',
    forCaller: 'Report it, with the requestId. Asking again may lead to the same.',
    forOperator: 'This is a bug. The log holds the whole error under the requestId.',
  },
  'upstream-rejected': {
    status: 502,
    title: 'CDF rejected the request',
    detail: 'CDF refused the request of this service.',
    forCaller: 'Nothing: it is between this service and CDF.',
    forOperator:
      'Look at CDF_PROJECT and CDF_VERSION: a wrong or missing cdf-version is the usual cause. Cognite support can look up the upstream request id.',
  },
  'upstream-auth-failed': {
    status: 502,
    title: 'CDF rejected the access token',
    detail: 'CDF did not accept the identity of this service, not even with a new access token.',
    forCaller: 'Nothing: it is between this service and CDF.',
    forOperator:
      'CDF refused the access token and the next one. Check that it is meant for this CDF project: IDP_SCOPES, IDP_AUDIENCE, CDF_PROJECT, CDF_CLUSTER.',
  },
  'upstream-forbidden': {
    status: 502,
    title: 'CDF denied access',
    detail: 'The identity of this service lacks access in CDF.',
    forCaller: 'Nothing: it is between this service and CDF.',
    forOperator:
      'Give the CDF group of the service entitymatchingAcl:READ and read access to the data behind the job.',
  },
  'upstream-invalid-response': {
    status: 502,
    title: 'Invalid response from CDF',
    detail: 'CDF answered with something that is not a job status.',
    forCaller: 'Asking again may help once CDF, or what stands before it, is well again.',
    forOperator:
      'The answer was not JSON, too large, a redirect, about another job, or lacked its id or status. Look at CDF_URL and at proxies in between, and whether the alpha API has changed.',
  },
  'upstream-error': {
    status: 502,
    title: 'CDF failed',
    detail: 'CDF failed to answer or could not be reached.',
    forCaller: 'Ask again after Retry-After. Streams and waiting requests do so by themselves.',
    forOperator:
      'Look at the status page of CDF and at the network in between; the metric of requests to CDF tells since when.',
    retryAfterSeconds: 2,
  },
  'identity-provider-rejected': {
    status: 502,
    title: 'Identity provider refused the service',
    detail: 'The identity provider refused the credentials of this service.',
    forCaller: 'Nothing: it is between this service and its identity provider.',
    forOperator:
      'Check IDP_CLIENT_ID, the secret or key, its expiry, IDP_TOKEN_URL and IDP_SCOPES. A new secret in the file of IDP_CLIENT_SECRET_FILE is taken without a restart; the service tries again at most every 30 seconds.',
  },
  'identity-provider-unavailable': {
    status: 503,
    title: 'Identity provider unavailable',
    detail: 'The identity provider of this service could not be reached or failed to answer.',
    forCaller: 'Ask again after Retry-After.',
    forOperator:
      'Look at the identity provider, at IDP_TOKEN_URL and at the network in between. While the old access token lasts, nobody notices.',
    retryAfterSeconds: 2,
  },
  'caller-keys-unavailable': {
    status: 503,
    title: 'Caller keys unavailable',
    detail: 'The keys by which callers are checked have not been fetched yet.',
    forCaller: 'Ask again after Retry-After.',
    forOperator:
      'Look at AUTH_ISSUER and AUTH_JWKS_URL, and at the network in between. Keys that were fetched once serve for a day.',
    retryAfterSeconds: 2,
  },
  'upstream-throttled': {
    status: 503,
    title: 'CDF throttles this service',
    detail: 'CDF allows this service no further requests at the moment; see Retry-After.',
    forCaller: 'Wait as long as Retry-After says. Jobs that are done are answered all the same.',
    forOperator:
      'CDF throttles per identity. Look for other users of the same client id, and at UPSTREAM_MAX_CONCURRENCY times the number of replicas.',
    retryAfterSeconds: 1,
  },
  'upstream-unavailable': {
    status: 503,
    title: 'CDF unavailable',
    detail: 'CDF has failed repeatedly and is not being asked at the moment; see Retry-After.',
    forCaller:
      'Wait as long as Retry-After says: CDF is then tried again. Jobs that are done are answered all the same.',
    forOperator:
      'The circuit to CDF is open, since CDF failed repeatedly. It closes by itself when a probe succeeds. Look at the status page of CDF.',
    retryAfterSeconds: 5,
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail: 'This instance cannot take the request now: it is overloaded or shutting down.',
    forCaller: 'Ask again after Retry-After; another instance may answer.',
    forOperator:
      'The queue to CDF is full, the event loop is late, or the instance shuts down. The metrics of queue and event loop tell which; more replicas do not help if it is CDF that is slow.',
    retryAfterSeconds: 1,
  },
  'upstream-timeout': {
    status: 504,
    title: 'CDF timed out',
    detail: 'CDF did not answer in time.',
    forCaller: 'Ask again after Retry-After. Streams and waiting requests do so by themselves.',
    forOperator:
      'Look at the latency of CDF in the metrics. UPSTREAM_ATTEMPT_TIMEOUT_MS and UPSTREAM_DEADLINE_MS are how long it may take.',
    retryAfterSeconds: 2,
  },
} as const satisfies Record<string, ProblemDefinition>

/** The slug of a problem type. */
export type ProblemCode = keyof typeof PROBLEMS

/** Every problem code, in the order of the table. */
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[]

/** True if the text is the slug of a problem type. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text)
}
