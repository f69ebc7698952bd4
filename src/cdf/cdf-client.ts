import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { Clock } from '../async/clock.ts'
import type { AccessToken, TokenProvider } from '../auth/service/token-provider.ts'
import { failureReason } from '../http/request-failure.ts'
import { type ResponseHead, sendRequest } from '../http/send-request.ts'
import { USER_AGENT } from '../http/user-agent.ts'
import type { UpstreamAnswer } from '../problems/problem.ts'
import type { ProblemCode } from '../problems/problem-types.ts'
import { withTraceHeaders } from '../telemetry/trace-context.ts'
import type { Attempt } from './attempt.ts'
import { aborted, classifyFailure, classifyResponse, toUpstreamAnswer } from './attempt.ts'
import type { CdfJob } from './cdf-job.ts'
import type { RetryBudget } from './resilience/retry-budget.ts'
import type { UpstreamPolicy } from './resilience/upstream-policy.ts'
import type { WaitingCallers } from './resilience/waiting-callers.ts'

/** What a read of a job takes from the request that caused it. */
export interface CdfReadContext {
  /** Aborts when no caller waits for the result any more. */
  readonly signal: AbortSignal
  /** Whose turns in the queue the read uses. */
  readonly callers: WaitingCallers
  readonly requestId: string
  /** W3C `traceparent` to send. */
  readonly traceparent: string
  /** Limit for the read: token, queue and all attempts; milliseconds. */
  readonly deadlineMs: number
  /** Called after each HTTP request of the read. */
  readonly onRequestEnd?: (request: CdfRequest) => void
}

/** One HTTP request to CDF, for metrics and the log. */
export interface CdfRequest {
  jobId: string
  /** The `x-request-id` that was sent. */
  requestId: string
  /** Status and `x-request-id` of the response; each null if there was none. */
  upstream: UpstreamAnswer
  /** Why there is no complete response: timeout, deadline, aborted, or the reason of {@link failureReason}. */
  failure?: string
  durationMs: number
  /** `aborted`: it ended too early to say anything about CDF. */
  outcome: 'ok' | 'aborted' | ProblemCode
}

/** Options of {@link CdfClient}. */
export interface CdfClientOptions extends Pick<Clock, 'random'> {
  /** Without a trailing slash, such as `https://westeurope-1.cognitedata.com`. */
  baseUrl: string
  project: string
  /** The `cdf-version` header; not sent if absent. */
  version?: string | undefined
  tokens: Pick<TokenProvider, 'get' | 'invalidate'>
  dispatcher: Dispatcher
  policy: UpstreamPolicy
  retries: RetryBudget
  /** Limit for one HTTP request, body included; milliseconds. */
  attemptTimeoutMs: number
  /** Greatest number of attempts. The replay after a 401 does not count. */
  maxAttempts: number
  onRequestEnd: (request: CdfRequest) => void
}

/** Range of the random delay before a retry. */
const RETRY_DELAY_MS = { min: 50, max: 250 }

/** The client of CDF, with one method per endpoint. */
export class CdfClient {
  readonly #options: CdfClientOptions
  readonly #headers: Record<string, string>
  readonly #jobsUrl: string

  constructor(options: CdfClientOptions) {
    const project = encodeURIComponent(options.project)
    this.#options = options
    this.#jobsUrl = `${options.baseUrl}/api/v1/projects/${project}/advancedjoins/estimatequality/`
    this.#headers = {
      accept: 'application/json',
      ...(options.version && { 'cdf-version': options.version }),
      'x-cdp-app': 'cdf-job-quality',
      'x-cdp-sdk': USER_AGENT.replace('/', ':'),
    }
  }

  /**
   * Retrieves the status of an estimate quality job.
   *
   * A lost or refused connection, 502, 503, 504, and what CDF marks as auto-retryable are retried. A 401 is replayed
   * once with a new token.
   * @throws ProblemError `job-not-found`, `overloaded`, every `upstream-…`, and those of the token provider
   * @see https://docs.cognite.com/20230101-alpha/advanced-joins/retrieve-estimate-quality-status
   */
  async getEstimateQualityJob(jobId: string, context: CdfReadContext): Promise<CdfJob> {
    const { tokens, policy, retries, maxAttempts } = this.#options
    const { traceparent, deadlineMs } = context
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(deadlineMs)])
    policy.assertCallsAllowed()
    retries.countRead()
    // Before the queue, so that no slot is blocked by a token request.
    let token = await tokens.get(signal, traceparent)
    let replayed = false
    for (let attempts = 1; ; ) {
      const attempt = await policy.run(signal, context.callers, async () => {
        // The token may have been renewed or refused while the read was queued.
        token = await tokens.get(signal, traceparent)
        return this.#attempt(jobId, token, context, signal)
      })
      if ('job' in attempt) return attempt.job
      context.signal.throwIfAborted()
      if (attempt.unauthorized && !replayed) {
        replayed = true
        const refused = token
        tokens.invalidate(refused)
        token = await tokens.get(signal, traceparent)
        // The provider keeps the token if too many tokens were refused.
        if (token === refused) throw attempt.error
      } else if (
        attempt.retryable &&
        attempts < maxAttempts &&
        !policy.rejection() &&
        retries.take()
      ) {
        attempts += 1
        await sleep(this.#retryDelayMs(), undefined, { signal }).catch(() => {
          throw attempt.error
        })
      } else {
        throw attempt.error
      }
    }
  }

  #retryDelayMs(): number {
    const { min, max } = RETRY_DELAY_MS
    return min + this.#options.random() * (max - min)
  }

  async #attempt(
    jobId: string,
    token: AccessToken,
    { requestId, traceparent, deadlineMs, onRequestEnd }: CdfReadContext,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { attemptTimeoutMs, dispatcher } = this.#options
    const startedAtMs = performance.now()
    let head: ResponseHead | undefined
    const outcome = await withTraceHeaders(traceparent, (traceHeaders) =>
      sendRequest(this.#jobsUrl + encodeURIComponent(jobId), {
        method: 'GET',
        headers: {
          ...this.#headers,
          authorization: `Bearer ${token.value}`,
          'x-request-id': requestId,
          ...traceHeaders,
        },
        signal,
        timeoutMs: attemptTimeoutMs,
        dispatcher,
        onHead: (received) => {
          head = received
        },
      }),
    ).catch((error: unknown) => ({ error }))

    const durationMs = performance.now() - startedAtMs
    const failure = 'error' in outcome ? failureOf(outcome.error, signal) : undefined
    // If the deadline left an attempt less than half of its time, a timeout says nothing about CDF.
    const hadEnoughTime = durationMs >= Math.min(attemptTimeoutMs, deadlineMs) / 2
    const attempt =
      'body' in outcome
        ? classifyResponse(jobId, outcome, outcome.body)
        : failure === 'aborted' || (failure === 'deadline' && !hadEnoughTime)
          ? aborted(head)
          : classifyFailure(
              jobId,
              outcome.error,
              head,
              failure === 'timeout' || failure === 'deadline',
            )
    const request: CdfRequest = {
      jobId,
      requestId,
      upstream: toUpstreamAnswer(head),
      durationMs,
      outcome: 'job' in attempt ? 'ok' : attempt.aborted ? 'aborted' : attempt.error.code,
      ...(failure !== undefined && { failure }),
    }
    this.#options.onRequestEnd(request)
    onRequestEnd?.(request)
    return attempt
  }
}

function failureOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return signal.reason?.name === 'TimeoutError' ? 'deadline' : 'aborted'
  return error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : failureReason(error)
}
