/**
 * What CDF sends for an estimate quality job, as far as this service relies on it: an object with a string `jobId` and
 * a string `status`. Every other member may be absent, renamed or of another type one day; whoever reads one checks it.
 * The members named here are those of the reference.
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

/** The job in a body of CDF, or `undefined` if the body is no JSON object with a string `jobId` and `status`. */
export function parseCdfJob(text: string): CdfJob | undefined {
  const body = parseJson(text)
  return isCdfJob(body) ? body : undefined
}

/** By hand, since two members are all there is to check: a compiler of schemas takes 40 ms to load. */
function isCdfJob(body: unknown): body is CdfJob {
  return isRecord(body) && typeof body.jobId === 'string' && typeof body.status === 'string'
}

/** What an error body of CDF tells: its words, whether it names missing resources, and whether a retry may help. */
export interface CdfError {
  message: string
  missing: boolean
  autoRetryable: boolean
}

/**
 * Reads any error body: `{"error":{"code","message",…}}` as documented; `{"error":"text"}`, `{"code","message"}` and
 * plain text as seen.
 */
export function parseCdfError(text: string): CdfError {
  const body = parseJson(text)
  const error: unknown = isRecord(body) ? (body.error ?? body) : text
  if (!isRecord(error)) return { message: String(error), missing: false, autoRetryable: false }
  return {
    message: typeof error.message === 'string' ? error.message : '',
    missing: Array.isArray(error.missing) && error.missing.length > 0,
    autoRetryable: error.isAutoRetryable === true,
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the body, and nothing of it may reach a log.
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
