import { httpErrors } from '../http-agent.ts'
import type { HttpHead } from '../http-exchange.ts'
import { UnreadableAnswerError } from '../http-exchange.ts'
import type { UpstreamAnswer } from '../problem.ts'
import { ProxyError } from '../problem.ts'
import type { ProblemCode } from '../problem-table.ts'
import { parseRetryAfter } from '../retry-after.ts'
import type { CdfJob } from './cdf-job.ts'
import { parseCdfError, parseCdfJob } from './cdf-job.ts'
import { isUuid, parseJobId } from './job-id.ts'

/** How one HTTP request to CDF ended: a job, or a problem and what may be done about it. */
export type Attempt =
  | { job: CdfJob }
  | {
      error: ProxyError
      /** CDF refused the access token. */
      unauthorized: boolean
      /** Asking once more may help. */
      retryable: boolean
      /** It was ended by us, before its time was over: that says nothing of CDF. */
      cutShort?: true
    }

const CDF_REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** What an answer of CDF means here; without its body, as far as the status tells. */
export function judge(jobId: string, head: HttpHead, body: string): Attempt {
  const { status, headers } = head
  if (status === 200) {
    const job = parseCdfJob(body)
    return job && isSameJob(jobId, job.jobId) ? { job } : failed('upstream-invalid-response', head)
  }
  if (status < 400) return failed('upstream-invalid-response', head)

  const error = parseCdfError(body)
  // Compared with "true": some client tests its mere presence, and then obeys "false".
  const retryable = error.autoRetryable || headers['cdf-is-auto-retryable'] === 'true'
  switch (status) {
    case 401:
      return { ...failed('upstream-auth-failed', head), unauthorized: true }
    case 404:
      return failed('job-not-found', head)
    case 429:
      // Never retried: a throttled request uses quota too.
      return failed('upstream-throttled', head, {
        retryAfterSeconds: parseRetryAfter(headers['retry-after'], Date.now()),
      })
    case 400:
      return failed(error.missing ? 'job-not-found' : 'upstream-rejected', head, { retryable })
    case 403:
      // CDF hides what one may not see behind the words of a 404.
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

/** An attempt that we ended before its time was over. */
export function cutShort(head: HttpHead | undefined): Attempt {
  return { ...failed('upstream-timeout', head), cutShort: true }
}

/** What it means that there was no whole answer, although there was time for it. */
export function unanswered(
  jobId: string,
  error: unknown,
  head: HttpHead | undefined,
  timedOut: boolean,
): Attempt {
  if (timedOut) return failed('upstream-timeout', head)
  // A status other than 200 says enough without its body.
  if (head && head.status !== 200) return judge(jobId, head, '')
  const isUnreadable =
    error instanceof UnreadableAnswerError ||
    error instanceof httpErrors.HTTPParserError ||
    error instanceof httpErrors.HeadersOverflowError
  return isUnreadable
    ? failed('upstream-invalid-response', head)
    : failed('upstream-error', head, { retryable: true })
}

/** A failed attempt, with what is known of CDF's answer. */
function failed(
  code: ProblemCode,
  head: HttpHead | undefined,
  {
    retryable = false,
    retryAfterSeconds,
  }: { retryable?: boolean; retryAfterSeconds?: number | undefined } = {},
): Extract<Attempt, { error: ProxyError }> {
  const upstream = head && upstreamOf(head)
  const error = new ProxyError(code, { upstream, retryAfterSeconds })
  return { error, unauthorized: false, retryable }
}

/** What of an answer may be told: its status and CDF's request id, each null if there was none. */
export function upstreamOf(head: HttpHead | undefined): UpstreamAnswer {
  const id = head?.headers['x-request-id']
  return {
    status: head?.status ?? null,
    requestId: typeof id === 'string' && CDF_REQUEST_ID.test(id) ? id : null,
  }
}

/**
 * CDF declares job ids both UUID and int64, so that an id of the other form is not taken for another job; a different
 * id of the same form is.
 */
function isSameJob(asked: string, answered: string): boolean {
  const id = parseJobId(answered)
  return id === undefined || id === asked || isUuid(id) !== isUuid(asked)
}
