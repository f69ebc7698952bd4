/**
 * The response of CDF for an estimate quality job. Only `jobId` and `status` are checked. The API is alpha: the other
 * members may be absent or have another type.
 * @see https://docs.cognite.com/20230101-alpha/advanced-joins/retrieve-estimate-quality-status
 */
export interface CdfJob {
  jobId: string
  status: string
  advancedJoinExternalId?: unknown
  matcher?: unknown
  qualityScorePercent?: unknown
  estimatedCorrectnessScorePercent?: unknown
  confidencePercent?: unknown
  contextualizationScorePercent?: unknown
  errorMessage?: unknown
  createdTime?: unknown
  startTime?: unknown
  statusTime?: unknown
}

/** Parses a job; `undefined` if the text is not a JSON object with a string `jobId` and a string `status`. */
export function parseCdfJob(text: string): CdfJob | undefined {
  const body = parseJson(text)
  return isCdfJob(body) ? body : undefined
}

function isCdfJob(body: unknown): body is CdfJob {
  return isRecord(body) && typeof body.jobId === 'string' && typeof body.status === 'string'
}

/** An error response of CDF. */
export interface CdfError {
  message: string
  /** Whether `missing` names resources that do not exist. */
  hasMissing: boolean
  isAutoRetryable: boolean
}

/**
 * Parses an error response: `{"error":{"code","message",…}}` as documented. CDF also sends `{"error":"text"}`,
 * `{"code","message"}` and plain text. Never throws.
 */
export function parseCdfError(text: string): CdfError {
  const body = parseJson(text)
  const error: unknown = isRecord(body) ? (body.error ?? body) : text
  if (!isRecord(error)) {
    const message = typeof error === 'string' ? error : ''
    return { message, hasMissing: false, isAutoRetryable: false }
  }
  return {
    message: typeof error.message === 'string' ? error.message : '',
    hasMissing: Array.isArray(error.missing) && error.missing.length > 0,
    isAutoRetryable: error.isAutoRetryable === true,
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The error message would quote the body.
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
