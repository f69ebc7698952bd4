import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { JobQuality, JobStatus } from './job-quality.ts'
import { MAX_EXTERNAL_ID_LENGTH, MAX_TEXT_LENGTH } from './job-quality.ts'

/** Maps CDF's statuses, and those of its similar jobs (`BatchJobStatus`), to ours. */
const STATUSES: ReadonlyMap<string, JobStatus> = new Map([
  ['Queued', 'Queued'],
  ['Running', 'Running'],
  ['Completed', 'Completed'],
  ['Failed', 'Failed'],
  ['Distributing', 'Running'],
  ['Distributed', 'Running'],
  ['Collecting', 'Running'],
  ['Timeout', 'Failed'],
])

/** Limit for matchers of unknown types. The only type in the reference has five members. */
const MAX_MATCHER_MEMBERS = 100

/** 9999-12-31T23:59:59.999Z, the last instant in RFC 3339. */
const MAX_EPOCH_MS = 253402300799999

/** A normalized job, and the names of CDF's fields that deviate from the reference. */
export interface NormalizedJob {
  quality: JobQuality
  deviations: string[]
}

/**
 * Normalizes a job of CDF. Pure: the same input gives the same output, byte for byte.
 * @param jobId the requested id, in canonical form
 */
export function normalizeJob(jobId: JobId, job: CdfJob): NormalizedJob {
  const deviations: string[] = []
  const check = <T>(field: string, isValid: boolean, value: T): T | null => {
    if (isValid) return value
    deviations.push(field)
    return null
  }

  const status = STATUSES.get(job.status) ?? 'Unknown'
  // Statuses in the reference map to themselves; `Unknown` is not one of them.
  if (status !== job.status || status === 'Unknown') deviations.push('status')

  const percent = (field: keyof CdfJob): number | null => {
    const score = job[field]
    return score === undefined ? null : check(field, isPercent(score), score as number)
  }
  const time = (field: 'createdTime' | 'startTime' | 'statusTime'): string | null => {
    const epochMs = job[field]
    const isValid = isEpochMs(epochMs)
    return check(field, isValid, isValid ? new Date(epochMs).toISOString() : '')
  }

  // The reference does not define `startTime` while Queued.
  const startedAt = status === 'Queued' ? null : time('startTime')
  const quality: JobQuality = {
    jobId,
    status,
    done: status === 'Completed' || status === 'Failed',
    advancedJoinExternalId: check(
      'advancedJoinExternalId',
      isText(job.advancedJoinExternalId, MAX_EXTERNAL_ID_LENGTH),
      job.advancedJoinExternalId as string,
    ),
    matcher: matcherOf(job.matcher, () => deviations.push('matcher')),
    scores:
      status === 'Completed'
        ? {
            qualityPercent: qualityPercentOf(job, percent, deviations),
            confidencePercent: percent('confidencePercent'),
            contextualizationPercent: percent('contextualizationScorePercent'),
          }
        : null,
    errorMessage: null,
    createdAt: time('createdTime'),
    startedAt,
    statusChangedAt: time('statusTime'),
  }

  const { errorMessage } = job
  if (typeof errorMessage === 'string') {
    if (status === 'Failed') quality.errorMessage = printable(errorMessage) || null
  } else if (errorMessage !== undefined && errorMessage !== null) {
    deviations.push('errorMessage')
  }
  return { quality, deviations }
}

/** Whether a Completed job has no valid score at all. A renamed field looks the same. */
export function lacksScores({ scores }: JobQuality): boolean {
  return scores !== null && Object.values(scores).every((score) => score === null)
}

/** `qualityScorePercent` (reference) or, if absent, the name that CDF's own front end has read since 2023. */
function qualityPercentOf(
  job: CdfJob,
  percent: (field: keyof CdfJob) => number | null,
  deviations: string[],
): number | null {
  if (job.qualityScorePercent !== undefined && job.qualityScorePercent !== null)
    return percent('qualityScorePercent')
  if (job.estimatedCorrectnessScorePercent === undefined) return percent('qualityScorePercent')
  deviations.push('qualityScorePercent')
  return percent('estimatedCorrectnessScorePercent')
}

function matcherOf(matcher: unknown, deviates: () => void): JobQuality['matcher'] {
  if (typeof matcher !== 'object' || matcher === null || Array.isArray(matcher)) {
    deviates()
    return null
  }
  const { type, ...members } = matcher as Record<string, unknown>
  if (!isText(type, MAX_TEXT_LENGTH)) {
    deviates()
    return null
  }
  if (type === 'raw') {
    const textOf = (key: string) => (isText(members[key], MAX_TEXT_LENGTH) ? members[key] : null)
    const raw = {
      type: 'raw' as const,
      dbName: textOf('dbName'),
      tableName: textOf('tableName'),
      fromColumnKey: textOf('fromColumnKey'),
      toColumnKey: textOf('toColumnKey'),
    }
    if (Object.values(raw).includes(null)) deviates()
    return raw
  }
  deviates()
  const texts = Object.entries(members).filter(
    (member): member is [string, string] =>
      member[0] !== '__proto__' &&
      member[0].length <= MAX_EXTERNAL_ID_LENGTH &&
      isText(member[1], MAX_TEXT_LENGTH),
  )
  return { type, ...Object.fromEntries(texts.slice(0, MAX_MATCHER_MEMBERS)) }
}

function isPercent(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 100
}

function isEpochMs(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_EPOCH_MS
}

function isText(value: unknown, maxLength: number): value is string {
  // JSON Schema counts characters. A character has at most two UTF-16 code units.
  if (typeof value !== 'string' || value.length > 2 * maxLength) return false
  return value.length <= maxLength || [...value].length <= maxLength
}

/** Removes control characters and lone surrogates, and cuts the text at {@link MAX_TEXT_LENGTH} code points. */
function printable(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, '').toWellFormed()
  // A code point has at most two UTF-16 code units.
  return [...clean.slice(0, 2 * MAX_TEXT_LENGTH)].slice(0, MAX_TEXT_LENGTH).join('')
}
