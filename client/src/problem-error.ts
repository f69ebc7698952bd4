import type { Problem, ProblemCode } from './contract.ts'

/** Statuses of proxies and load balancers after which a retry can help. */
const TRANSIENT_STATUSES = [408, 425, 429, 502, 503, 504]

/** Members of a {@link ProblemError} beside code and message. */
export interface ProblemErrorOptions {
  status?: number
  requestId?: string | undefined
  retryAfterSeconds?: number | undefined
  isTransient?: boolean
  cause?: unknown
}

/** A request failed. The message is for people. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  /** HTTP status; 0 without a response. */
  readonly status: number
  /** For a report to the operator of the service. */
  readonly requestId: string | undefined
  /** The least time before a retry. */
  readonly retryAfterSeconds: number | undefined
  /** Whether a retry can help. */
  readonly isTransient: boolean

  constructor(code: ProblemCode, message: string, options: ProblemErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.status = options.status ?? 0
    this.requestId = options.requestId
    this.retryAfterSeconds = options.retryAfterSeconds
    this.isTransient = options.isTransient ?? options.retryAfterSeconds !== undefined
  }
}

/** There is no response, or its connection was lost. Transient. */
export function connectionFailed(message: string, cause?: unknown): ProblemError {
  return new ProblemError('connection-failed', message, { isTransient: true, cause })
}

/** The response is not from the service: for example the page of a proxy, or of another server at this URL. */
export function unexpectedResponse({ status, headers }: Response): ProblemError {
  return new ProblemError('unexpected-response', `Unexpected response with status ${status}`, {
    status,
    requestId: headers.get('x-request-id') ?? undefined,
    retryAfterSeconds: retryAfterSecondsOf(headers),
    isTransient: TRANSIENT_STATUSES.includes(status),
  })
}

/**
 * The error for a response with an error status.
 * @param text the body
 */
export function problemErrorOf(response: Response, text: string): ProblemError {
  const problem = parseProblem(text)
  if (!problem) return unexpectedResponse(response)
  const { code, detail, requestId, retryAfterSeconds } = problem
  return new ProblemError(code, detail, {
    status: response.status,
    requestId,
    retryAfterSeconds: retryAfterSeconds ?? retryAfterSecondsOf(response.headers),
  })
}

/** The problem document in a body; `undefined` for another one, such as the JSON of a gateway with a `code` of its own. */
function parseProblem(text: string): Problem | undefined {
  try {
    const body: Problem | null = JSON.parse(text)
    const { code, detail, retryAfterSeconds = 0 } = body ?? {}
    const isProblem =
      typeof code === 'string' &&
      typeof detail === 'string' &&
      typeof retryAfterSeconds === 'number'
    return isProblem && body ? body : undefined
  } catch {
    return undefined
  }
}

/**
 * The value of `Retry-After` in seconds. The service sends seconds; a proxy may send a date.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function retryAfterSecondsOf(headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}
