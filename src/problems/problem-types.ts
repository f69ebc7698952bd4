/** A problem type. The texts must not contain HTML markup. */
export interface ProblemType {
  /** HTTP status. */
  status: number
  /** Short, and the same for every occurrence. */
  title: string
  /** What happened. No internals, no text of CDF, no input of the caller. */
  detail: string
  /** What the caller can do. Shown on the page `/problems/{code}`, as is the next member. */
  forCaller: string
  /** What the operator of the service can check and do. */
  forOperator: string
  /** Default of `Retry-After`, seconds. Absent = a retry does not help. */
  retryAfterSeconds?: number
}

/** All problem types by their `code`, which is also the last segment of `type`. */
export const PROBLEM_TYPES = {
  'invalid-job-id': {
    status: 400,
    title: 'Invalid job id',
    detail:
      'The job id must be a UUID or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
    forCaller:
      'Send the jobId as CDF returned it when the estimate quality job was created. The service did not send this id to CDF.',
    forOperator:
      'No action is needed. If one client sends many invalid ids, check where it gets them from.',
  },
  'invalid-request': {
    status: 400,
    title: 'Invalid request',
    detail:
      'The request has a parameter, header, encoding or message framing that this service does not accept.',
    forCaller:
      'Check the percent-encoding of the URL. Send exactly one Host header, at most one Authorization header, and no body. For several jobs, repeat the parameter jobId 1 to 100 times: jobId[]=A and jobId=A,B are not supported.',
    forOperator:
      'If valid requests fail with this problem, check the proxies in front of the service: they may duplicate headers or encode the URL twice.',
  },
  unauthenticated: {
    status: 401,
    title: 'Unauthenticated',
    detail: 'This route requires a valid bearer token.',
    forCaller:
      'Send the header Authorization: Bearer with an unexpired access token for this service. Renew the token before it expires.',
    forOperator:
      'The log line authentication failed has the reason. Compare AUTH_ISSUER and AUTH_AUDIENCE with iss and aud of a token, and check the clocks.',
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: 'The bearer token lacks the scope that this route requires.',
    forCaller:
      'Ask the administrator of your identity provider to grant your client the scope in the WWW-Authenticate header.',
    forOperator:
      'The service looks for AUTH_REQUIRED_SCOPE in the claims scope, scp, roles and permissions of the token.',
  },
  'job-not-found': {
    status: 404,
    title: 'Job not found',
    detail: 'CDF has no such job, or this service is not allowed to read it.',
    forCaller:
      'Check the job id and the CDF project. CDF deletes old jobs, and it hides jobs that this service is not allowed to read. An unknown id is cached for some seconds.',
    forOperator:
      'If existing jobs are not found, check CDF_PROJECT, and check that the CDF group of the service has read access to the data of the job.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: 'There is no such route.',
    forCaller: 'The routes of this service are listed at /docs and in /openapi.yaml.',
    forOperator: 'If the service runs behind a path prefix, the proxy must remove the prefix.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail:
      'This route does not support this method. The Allow header lists the supported methods.',
    forCaller: 'All routes of this service are read-only: use GET or HEAD.',
    forOperator: 'No action is needed.',
  },
  'uri-too-long': {
    status: 414,
    title: 'URI too long',
    detail: 'A part of the URL is longer than any value that this service accepts.',
    forCaller:
      'Shorten the URL. A job id has at most 36 characters, and one URL can have 100 job ids.',
    forOperator: 'No action is needed.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    detail: 'This caller has sent too many requests. The Retry-After header says when to retry.',
    forCaller:
      'Wait for the time in Retry-After. To follow jobs, open one event stream for up to 100 jobs, or send the header Prefer: wait=25, instead of polling.',
    forOperator:
      'RATE_LIMIT_PER_MINUTE, CALLER_MAX_STREAMS and CALLER_MAX_WATCHED_JOBS apply to each caller. Raise them if one caller serves many users. Each address may have 60 failed authentications per minute. Behind a proxy, all callers without a token share the address of the proxy unless TRUST_PROXY is set.',
  },
  'headers-too-large': {
    status: 431,
    title: 'Request headers too large',
    detail: 'The request line and the headers together are larger than this service accepts.',
    forCaller:
      'Send fewer or smaller headers. The limit is 32 KiB including the request line. Large cookies are the usual cause.',
    forOperator:
      'No action is needed, unless other applications on the same host name set large cookies.',
  },
  'internal-error': {
    status: 500,
    title: 'Internal error',
    detail: 'The service failed unexpectedly.',
    forCaller: 'Report the problem with its requestId. A retry may fail in the same way.',
    forOperator: 'This is a bug. The log has the complete error under the requestId.',
  },
  'upstream-rejected': {
    status: 502,
    title: 'CDF rejected the request',
    detail: 'CDF rejected the request of this service.',
    forCaller: 'You cannot fix this. Report the problem with its requestId.',
    forOperator:
      'Check CDF_PROJECT and CDF_VERSION. A wrong or missing cdf-version header is the usual cause. Cognite support can look up the upstream request id.',
  },
  'upstream-auth-failed': {
    status: 502,
    title: 'CDF rejected the access token',
    detail: 'CDF rejected the access token of this service.',
    forCaller: 'You cannot fix this. Report the problem with its requestId.',
    forOperator:
      'Check that the access token is issued for this CDF project: IDP_SCOPES, IDP_AUDIENCE, CDF_PROJECT and CDF_CLUSTER.',
  },
  'upstream-forbidden': {
    status: 502,
    title: 'CDF denied access',
    detail: 'This service does not have the required access rights in CDF.',
    forCaller: 'You cannot fix this. Report the problem with its requestId.',
    forOperator:
      'Grant the CDF group of the service entitymatchingAcl:READ and read access to the data of the job.',
  },
  'upstream-invalid-response': {
    status: 502,
    title: 'Invalid response from CDF',
    detail: 'The response of CDF is not a valid job status.',
    forCaller: 'Retry later. If it does not help, report the problem with its requestId.',
    forOperator:
      'The response is not JSON, is too large, is a redirect, is about another job, or has no id or status. Check CDF_URL and the proxies between the service and CDF, and whether the alpha API has changed.',
  },
  'upstream-error': {
    status: 502,
    title: 'CDF failed',
    detail: 'CDF returned an error or could not be reached.',
    forCaller:
      'Retry after the time in Retry-After. Event streams and waiting requests retry by themselves.',
    forOperator:
      'Check the status page of CDF and the network. The metric of requests to CDF shows when it began.',
    retryAfterSeconds: 2,
  },
  'identity-provider-rejected': {
    status: 502,
    title: 'Identity provider rejected the service',
    detail: 'The identity provider rejected the credentials of this service.',
    forCaller: 'You cannot fix this. Report the problem with its requestId.',
    forOperator:
      'Check IDP_CLIENT_ID, the secret or key and its expiry, IDP_TOKEN_URL and IDP_SCOPES. The service reads the file of IDP_CLIENT_SECRET_FILE for each token request, so a new secret needs no restart. It retries at most every 30 seconds.',
  },
  'identity-provider-unavailable': {
    status: 503,
    title: 'Identity provider unavailable',
    detail: 'The identity provider of this service returned an error or could not be reached.',
    forCaller: 'Retry after the time in Retry-After.',
    forOperator:
      'Check the identity provider, IDP_TOKEN_URL, the network, and the file of IDP_CLIENT_SECRET_FILE or IDP_CLIENT_KEY_FILE. The log line of the failed token request names the cause. Requests do not fail as long as the current access token is valid.',
    retryAfterSeconds: 2,
  },
  'caller-keys-unavailable': {
    status: 503,
    title: 'Caller keys unavailable',
    detail: 'The public keys for the verification of access tokens are not available.',
    forCaller: 'Retry after the time in Retry-After.',
    forOperator:
      'Check AUTH_ISSUER, AUTH_JWKS_URL and the network. Keys that were fetched once are used for a day.',
    retryAfterSeconds: 2,
  },
  'upstream-throttled': {
    status: 503,
    title: 'CDF throttles this service',
    detail: 'CDF throttles this service. The Retry-After header says when to retry.',
    forCaller: 'Wait for the time in Retry-After. Finished jobs in the cache are still available.',
    forOperator:
      'CDF throttles each identity. Check whether other applications use the same client id, and check UPSTREAM_MAX_CONCURRENCY; without REDIS_URL, multiply it by the number of replicas.',
    retryAfterSeconds: 1,
  },
  'upstream-unavailable': {
    status: 503,
    title: 'CDF unavailable',
    detail:
      'CDF has failed repeatedly, so the service has paused its requests. The Retry-After header says when to retry.',
    forCaller: 'Wait for the time in Retry-After. Finished jobs in the cache are still available.',
    forOperator:
      'The circuit breaker is open, because CDF failed repeatedly. It closes by itself when a probe succeeds. Check the status page of CDF.',
    retryAfterSeconds: 5,
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail: 'This instance is overloaded or shutting down.',
    forCaller: 'Retry after the time in Retry-After. Another instance may respond.',
    forOperator:
      'The queue to CDF is full, the event loop is overloaded, or the instance is shutting down. The metrics of the queue and the event loop show which. More replicas do not help if CDF is slow.',
    retryAfterSeconds: 1,
  },
  'upstream-timeout': {
    status: 504,
    title: 'CDF timed out',
    detail: 'CDF did not respond in time.',
    forCaller:
      'Retry after the time in Retry-After. Event streams and waiting requests retry by themselves.',
    forOperator:
      'Check the latency of CDF in the metrics. UPSTREAM_ATTEMPT_TIMEOUT_MS and UPSTREAM_DEADLINE_MS are the limits.',
    retryAfterSeconds: 2,
  },
} as const satisfies Record<string, ProblemType>

/** The code of a problem type. */
export type ProblemCode = keyof typeof PROBLEM_TYPES

/** All problem codes, in the order of {@link PROBLEM_TYPES}. */
export const PROBLEM_CODES = Object.keys(PROBLEM_TYPES) as ProblemCode[]
