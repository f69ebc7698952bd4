import { parseCdfJob } from '../cdf/cdf-job.ts'
import { isSameJob, type JobId } from '../cdf/job-id.ts'
import type { SharedJob } from '../jobs/shared-jobs.ts'

/** Version of the stored form. A value of another version is ignored. */
export const VERSION = 1
/** A longer value is neither stored nor read; bytes. A job of CDF has about 1 KiB. */
export const MAX_STORED_BYTES = 64 * 1024

/** A result as it is stored. */
export interface StoredJob extends Omit<SharedJob, 'ageMs'> {
  /** When it was read; milliseconds since the epoch on the clock of Redis. */
  readonly readAtMs: number
}

/** Converts a result to the stored form: a line with version, time and age, and CDF's job; `undefined` if too long. */
export function formatStoredJob({ job, readAtMs, ageAtReadMs }: StoredJob): string | undefined {
  const head = `${VERSION} ${Math.floor(readAtMs)} ${Math.floor(ageAtReadMs)}\n`
  const text = head + (job ? JSON.stringify(job) : '')
  return Buffer.byteLength(text) > MAX_STORED_BYTES ? undefined : text
}

/**
 * Parses and validates a stored result like a response of CDF.
 * @param nowMs the clock of Redis
 * @returns `undefined` if it is invalid: garbage, another version, another job, too long, or from the future
 */
export function parseStoredJob(jobId: JobId, text: string, nowMs: number): SharedJob | undefined {
  if (Buffer.byteLength(text) > MAX_STORED_BYTES) return undefined
  const [head = '', version, readAtMs, age] = HEAD.exec(text) ?? []
  const ageMs = nowMs - Number(readAtMs)
  const ageAtReadMs = Number(age)
  if (Number(version) !== VERSION || !(ageMs >= 0)) return undefined
  const body = text.slice(head.length)
  if (body === '') return { job: undefined, ageMs, ageAtReadMs }
  const job = parseCdfJob(body)
  return job && isSameJob(jobId, job.jobId) ? { job, ageMs, ageAtReadMs } : undefined
}

const HEAD = /^(\d{1,4}) (\d{1,15}) (\d{1,12})\n/
