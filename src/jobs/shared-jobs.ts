import type { CdfJob } from '../cdf/cdf-job.ts'
import type { JobId } from '../cdf/job-id.ts'

/** What CDF said about a job, as replicas share it. It has ages, not times, because the clocks of replicas differ. */
export interface SharedJob {
  /** The job as CDF sent it, which each replica normalizes itself; `undefined` = CDF has no such job. */
  readonly job: CdfJob | undefined
  /** Time since a replica read it from CDF; milliseconds. */
  readonly ageMs: number
  /** From the first read by a replica to this read; milliseconds. */
  readonly ageAtReadMs: number
}

/** What the release of a lease does to the stored result: replaces it with one that was read just now, or deletes it. */
export type SharedUpdate = (Omit<SharedJob, 'ageMs'> & { readonly ttlMs: number }) | 'delete'

/** The exclusive right of one replica to read a job from CDF. */
export interface JobLease {
  /**
   * Ends the lease, and announces that. The update is ignored if the lease has ended before: another replica can have a
   * newer result. Never rejects.
   */
  release(update?: SharedUpdate): Promise<void>
}

/** A lease with the latest result, or how long the lease of another replica lasts if that does not renew it; milliseconds. */
export type LeaseAttempt =
  | { readonly lease: JobLease; readonly stored: SharedJob | undefined }
  | { readonly lease?: never; readonly heldForMs: number }

/** What replicas share about jobs: results and leases. No method rejects. */
export interface SharedJobs {
  /** The latest result, unless it has expired. */
  get(jobId: JobId): Promise<SharedJob | undefined>
  /** Tries once to acquire the lease of a job. A lease ends by itself if its holder dies. */
  acquireLease(jobId: JobId): Promise<LeaseAttempt>
  /**
   * Calls the listener when another replica has released the lease of a job; with `undefined` if releases can have been
   * missed.
   * @returns unsubscribe
   */
  onRelease(listener: (jobId: JobId | undefined) => void): () => void
}

/** The lease of a replica that works alone. Its result is not shared. */
export const UNSHARED_LEASE: JobLease = { release: async () => {} }

/** Shares nothing: in one process, its own cache and reads in flight are enough. */
export const UNSHARED_JOBS: SharedJobs = {
  get: async () => undefined,
  acquireLease: async () => ({ lease: UNSHARED_LEASE, stored: undefined }),
  onRelease: () => () => {},
}
