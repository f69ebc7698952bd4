/** Greatest length of an external id in CDF, in characters. */
export const MAX_EXTERNAL_ID_LENGTH = 255
/** Greatest length of any other text of CDF, in characters. */
export const MAX_TEXT_LENGTH = 1000

/** A status in a response. `Unknown` stands for a status that CDF introduced later. */
export type JobStatus = 'Queued' | 'Running' | 'Completed' | 'Failed' | 'Unknown'

/** One job in a response. Every member is always present; a missing value is `null`, never 0. */
export interface JobQuality {
  /** In canonical form. */
  jobId: string
  status: JobStatus
  /** Whether the status is Completed or Failed. */
  done: boolean
  advancedJoinExternalId: string | null
  matcher: RawMatcher | OtherMatcher | null
  /** `null` unless Completed. */
  scores: JobScores | null
  /** `null` unless Failed. */
  errorMessage: string | null
  /** The times are UTC, in the form of RFC 3339. */
  createdAt: string | null
  startedAt: string | null
  statusChangedAt: string | null
}

/** A table of CDF Raw. */
interface RawMatcher {
  type: 'raw'
  dbName: string | null
  tableName: string | null
  fromColumnKey: string | null
  toColumnKey: string | null
}

/** A type that CDF introduced later, with its string members. */
interface OtherMatcher {
  type: string
  [member: string]: string
}

/** From 0 to 100. */
interface JobScores {
  qualityPercent: number | null
  confidencePercent: number | null
  contextualizationPercent: number | null
}
