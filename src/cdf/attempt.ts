import { errors } from 'undici'
import { parseRetryAfter } from '../http/retry-after.ts'
import { type ResponseHead, UnreadableResponseError } from '../http/send-request.ts'
import { ProblemError, type UpstreamAnswer } from '../problems/problem.ts'
import type { ProblemCode } from '../problems/problem-types.ts'
import { type CdfJob, parseCdfError, parseCdfJob } from './cdf-job.ts'
import { isSameJob } from './job-id.ts'

/** The result of one HTTP request to CDF. */
export type Attempt =
  | { job: CdfJob }
  | {
      error: ProblemError
      /** CDF rejected the access token. */
      unauthorized: boolean
      /** A retry can help. */
      retryable: boolean
      /** It ended too early to say anything about CDF. */
      aborted?: true
    }

const CDF_REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** Classifies a response of CDF. An empty body is enough unless the status is 200. */
export function classifyResponse(jobId: string, head: ResponseHead, body: string): Attempt {
  const { status, headers } = head
  if (status === 200) {
    const job = parseCdfJob(body)
    return job && isSameJob(jobId, job.jobId) ? { job } : failed('upstream-invalid-response', head)
  }
  if (status < 400) return failed('upstream-invalid-response', head)

  const error = parseCdfError(body)
  const retryable = error.isAutoRetryable || headers['cdf-is-auto-retryable'] === 'true'
  switch (status) {
    case 401:
      return { ...failed('upstream-auth-failed', head), unauthorized: true }
    case 404:
      return failed('job-not-found', head)
    case 429:
      // Never retried, because throttled requests count against the quota too.
      return failed('upstream-throttled', head, {
        retryAfterSeconds: parseRetryAfter(headers['retry-after'], Date.now()),
      })
    case 400:
      return failed(error.hasMissing ? 'job-not-found' : 'upstream-rejected', head, { retryable })
    case 403:
      // CDF sends this message for a job that the identity cannot read.
      return error.message.startsWith('Resource not found')
        ? failed('job-not-found', head)
        : failed('upstream-forbidden', head, { retryable })
    case 502:
    case 503:
    case 504:
      return failed('upstream-error', head, { retryable: true })
    default:
      return failed(status >= 500 ? 'upstream-error' : 'upstream-rejected', head, { retryable })
  }
}

/** Classifies a request that ended too early to say anything about CDF. */
export function aborted(head: ResponseHead | undefined): Attempt {
  return { ...failed('upstream-timeout', head), aborted: true }
}

/**
 * Classifies a request without a complete response.
 * @param head if status and headers had arrived
 * @param timedOut a time limit ended it, and it had at least half of its time
 */
export function classifyFailure(
  jobId: string,
  error: unknown,
  head: ResponseHead | undefined,
  timedOut: boolean,
): Attempt {
  if (timedOut) return failed('upstream-timeout', head)
  if (head && head.status !== 200) return classifyResponse(jobId, head, '')
  const isUnreadable =
    error instanceof UnreadableResponseError ||
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError
  return isUnreadable
    ? failed('upstream-invalid-response', head)
    : failed('upstream-error', head, { retryable: true })
}

function failed(
  code: ProblemCode,
  head: ResponseHead | undefined,
  options: { retryable?: boolean; retryAfterSeconds?: number | undefined } = {},
): Extract<Attempt, { error: ProblemError }> {
  const { retryable = false, retryAfterSeconds } = options
  const upstream = head && toUpstreamAnswer(head)
  const error = new ProblemError(code, { upstream, retryAfterSeconds })
  return { error, unauthorized: false, retryable }
}

/** The public part of a response: status and `x-request-id`, each null if absent. */
export function toUpstreamAnswer(head: ResponseHead | undefined): UpstreamAnswer {
  const id = head?.headers['x-request-id']
  return {
    status: head?.status ?? null,
    requestId: typeof id === 'string' && CDF_REQUEST_ID.test(id) ? id : null,
  }
}
