import { readFileSync } from 'node:fs'
import type { CdfJob } from '../../src/cdf/cdf-job.ts'

/** Ids of the jobs that the servers cache. */
export const jobIds = Array.from(
  { length: 1_000 },
  (_, number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`,
)

/** Path of a job on the service. */
export const pathOf = (jobId: string) => `/jobs/${jobId}/quality`

const fixture = new URL('../../simulator/fixtures/estimate-completed.json', import.meta.url)
const job: CdfJob = JSON.parse(readFileSync(fixture, 'utf8'))

/** A completed job as CDF describes it. */
export const completedJob = (jobId: string): CdfJob => ({ ...job, jobId })

/** Port of a server of the benchmark. */
export const PORT = Number(process.env.PORT)
