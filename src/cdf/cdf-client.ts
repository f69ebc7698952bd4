import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { TokenProvider } from '../auth/token-provider.ts'
import { codeOf } from '../error-for-log.ts'
import type { HttpHead } from '../http-exchange.ts'
import { exchange } from '../http-exchange.ts'
import type { UpstreamAnswer } from '../problem.ts'
import type { ProblemCode } from '../problem-table.ts'
import { TimeLimit } from '../time-limit.ts'
import { callInTrace } from '../trace-context.ts'
import type { Attempt } from './attempt.ts'
import { cutShort, judge, unanswered, upstreamOf } from './attempt.ts'
import type { CdfJob } from './cdf-job.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { UpstreamGate } from './upstream-gate.ts'

/** What a call to CDF takes from the request that caused it. */
export interface CallContext {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
  readonly requestId: string
  /** W3C traceparent of the trace that the call belongs to. */
  readonly traceparent: string
  /** Told of each HTTP request to CDF that this call makes. */
  readonly onCall?: (call: CdfCall) => void
}

/** One HTTP request to CDF, as it is told to {@link CdfClientOptions.onCall}. */
export interface CdfCall {
  jobId: string
  /** The x-request-id that was sent. */
  requestId: string
  /** HTTP status, and CDF's own x-request-id; each null if there was none. */
  upstream: UpstreamAnswer
  /** Why there was no whole answer: timeout, deadline, abandoned, or the name and code of an error. */
  failure?: string
  durationMs: number
  /** What it came to; abandoned = ended before anything could be said of CDF. */
  outcome: 'ok' | 'abandoned' | ProblemCode
}

/** What a {@link CdfClient} works with. */
export interface CdfClientOptions {
  /** Base URL without a trailing slash, such as `https://westeurope-1.cognitedata.com`. */
  baseUrl: string
  project: string
  /** The `cdf-version` header; absent = not sent. */
  cdfVersion?: string | undefined
  /** Version of this service, for `x-cdp-sdk` and `user-agent`. */
  serviceVersion: string
  tokens: Pick<TokenProvider, 'get' | 'invalidate'>
  dispatcher: Dispatcher
  gate: UpstreamGate
  retries: RetryBudget
  /** One HTTP request, body included. */
  attemptTimeoutMs: number
  /** Everything together: token, queue, attempts. */
  deadlineMs: number
  /** Greatest number of attempts where a retry is allowed; the one replay after a 401 is not counted. */
  maxAttempts: number
  /** 0 ≤ random() < 1, for the jitter of the retry. */
  random: () => number
  onCall: (call: CdfCall) => void
}

/** A retry waits for a random time in this range, so that those who failed together do not come back together. */
const RETRY_DELAY_MS = { min: 50, max: 250 }

/** CDF, one method per endpoint. */
export class CdfClient {
  readonly #options: CdfClientOptions
  readonly #headers: Record<string, string>
  readonly #origin: string
  /** All of it but the job's id. */
  readonly #path: string

  constructor(options: CdfClientOptions) {
    const agent = `cdf-job-quality/${options.serviceVersion}`
    const { origin, pathname } = new URL(`${options.baseUrl}/`)
    this.#options = options
    this.#origin = origin
    this.#path = `${pathname}api/v1/projects/${encodeURIComponent(options.project)}/advancedjoins/estimatequality/`
    this.#headers = {
      accept: 'application/json',
      ...(options.cdfVersion && { 'cdf-version': options.cdfVersion }),
      'x-cdp-app': 'cdf-job-quality',
      'x-cdp-sdk': agent.replace('/', ':'),
      'user-agent': agent,
    }
  }

  /**
   * Retrieves the status of an estimate quality job.
   *
   * At most `maxAttempts` requests, the second only after a lost or refused connection, 502, 503, 504 or where CDF says
   * that it helps; and one replay with a new token after a 401.
   *
   * @throws ProxyError `job-not-found`, `overloaded`, every `upstream-…`, and the token provider's
   * @see https://docs.cognite.com/20230101-alpha/advanced-joins/retrieve-estimate-quality-status
   */
  async getEstimateQualityJob(jobId: string, context: CallContext): Promise<CdfJob> {
    const { tokens, gate, retries, deadlineMs, maxAttempts, random } = this.#options
    using deadline = new TimeLimit(context.signal, deadlineMs)
    const { signal } = deadline
    const { traceparent } = context
    gate.assertOpen()
    retries.countCall()
    // Before the queue, so that nobody waits for a token in a place that another call could use …
    let token = await tokens.get(signal, traceparent)
    let replayed = false
    for (let attempts = 1; ; ) {
      const attempt = await gate.run(signal, async () => {
        // … and again after it, since the token may have been refused or renewed meanwhile.
        token = await tokens.get(signal, traceparent)
        return this.#attempt(jobId, token.value, { ...context, signal })
      })
      if ('job' in attempt) return attempt.job
      context.signal.throwIfAborted()
      if (attempt.unauthorized && !replayed) {
        replayed = true
        const refused = token
        tokens.invalidate(refused)
        token = await tokens.get(signal, traceparent)
        // The provider has had enough of refused tokens.
        if (token === refused) throw attempt.error
      } else if (
        attempt.retryable &&
        attempts < maxAttempts &&
        !gate.closedBy() &&
        retries.take()
      ) {
        attempts += 1
        const delayMs = RETRY_DELAY_MS.min + random() * (RETRY_DELAY_MS.max - RETRY_DELAY_MS.min)
        await sleep(delayMs, undefined, { signal }).catch(() => {
          throw attempt.error
        })
      } else {
        throw attempt.error
      }
    }
  }

  async #attempt(
    jobId: string,
    accessToken: string,
    { signal, requestId, traceparent, onCall }: CallContext,
  ): Promise<Attempt> {
    const { attemptTimeoutMs, deadlineMs, dispatcher } = this.#options
    const startedAt = performance.now()
    const target = { origin: this.#origin, path: this.#path + encodeURIComponent(jobId) }
    let head: HttpHead | undefined
    const outcome = await callInTrace(traceparent, (traceHeaders) =>
      exchange(target, {
        method: 'GET',
        headers: {
          ...this.#headers,
          authorization: `Bearer ${accessToken}`,
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

    const durationMs = performance.now() - startedAt
    const failure = 'error' in outcome ? failureOf(outcome.error, signal) : undefined
    // What had less than half of its time, since the read's was over, says nothing of CDF.
    const hadItsTime = durationMs >= Math.min(attemptTimeoutMs, deadlineMs) / 2
    const attempt =
      'body' in outcome
        ? judge(jobId, outcome, outcome.body.toString('utf8'))
        : failure === 'abandoned' || (failure === 'deadline' && !hadItsTime)
          ? cutShort(head)
          : unanswered(jobId, outcome.error, head, failure === 'timeout' || failure === 'deadline')
    const call: CdfCall = {
      jobId,
      requestId,
      upstream: upstreamOf(head),
      durationMs,
      outcome: 'job' in attempt ? 'ok' : attempt.cutShort ? 'abandoned' : attempt.error.code,
      ...(failure !== undefined && { failure }),
    }
    this.#options.onCall(call)
    onCall?.(call)
    return attempt
  }
}

/** Why there was no whole answer: who ended it, or a name and a code. Messages may hold parts of what was received. */
function failureOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return signal.reason?.name === 'TimeoutError' ? 'deadline' : 'abandoned'
  const name = error instanceof Error ? error.name : 'Error'
  if (name === 'TimeoutError') return 'timeout'
  return [name, codeOf(error)].filter(Boolean).join(' ')
}
