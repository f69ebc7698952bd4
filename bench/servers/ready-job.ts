import { readFileSync } from 'node:fs'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { normalizeJob } from '../../src/jobs/normalize-job.ts'

/** Jobs that are cached. */
export const JOBS = 1_000

/** Their ids. */
export const jobIds = Array.from(
  { length: JOBS },
  (_, number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`,
)

const fixture: CdfJob = JSON.parse(
  readFileSync(new URL('../../test/fixtures/cdf/estimate-completed.json', import.meta.url), 'utf8'),
)

/** A finished job as CDF describes it. */
export function cdfJobOf(jobId: string): CdfJob {
  return { ...fixture, jobId }
}

/** The same as callers see it. */
export function jobQualityOf(jobId: string): JobQuality {
  return normalizeJob(jobId as JobId, cdfJobOf(jobId)).quality
}

/** Where a server of the bench listens. */
export const PORT = Number(process.env.PORT)
