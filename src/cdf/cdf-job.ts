import { isJsonObject, parseJsonObject } from '../http/json-object.ts'

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
  const { jobId, status, ...others } = parseJsonObject(text) ?? {}
  return typeof jobId === 'string' && typeof status === 'string'
    ? { ...others, jobId, status }
    : undefined
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
  const body = parseJsonObject(text)
  const error: unknown = body ? (body.error ?? body) : text
  if (!isJsonObject(error)) {
    const message = typeof error === 'string' ? error : ''
    return { message, hasMissing: false, isAutoRetryable: false }
  }
  return {
    message: typeof error.message === 'string' ? error.message : '',
    hasMissing: Array.isArray(error.missing) && error.missing.length > 0,
    isAutoRetryable: error.isAutoRetryable === true,
  }
}
