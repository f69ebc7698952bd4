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

/** What a read of CDF changes: a result that was read just now, or nothing may be served any more. */
export type SharedUpdate = (Omit<SharedJob, 'ageMs'> & { readonly ttlMs: number }) | 'delete'

/** The second level of the cache, behind the LRU of each replica. Its method never rejects. */
export interface SharedJobStore {
  /** The latest result, unless it has expired. */
  get(jobId: JobId): Promise<SharedJob | undefined>
}

/** The exclusive right of one replica to read a job from CDF. Its method never rejects. */
export interface JobLease {
  /**
   * Ends the lease, and announces that. The update is ignored if the lease has ended before: another replica can have a
   * newer result.
   */
  release(update?: SharedUpdate): Promise<void>
}

/** Grants leases. Its method never rejects. */
export interface JobLeases {
  /**
   * A lease with the latest result, or the time after which the lease of another replica ends, if that does not renew it;
   * milliseconds. A lease ends by itself if its holder dies.
   */
  acquire(
    jobId: JobId,
  ): Promise<
    { lease: JobLease; stored: SharedJob | undefined } | { lease?: never; heldForMs: number }
  >
}

/** Tells that another replica has released the lease of a job. */
export interface JobAnnouncements {
  /**
   * @param listener gets the job, or `undefined` if announcements can have been lost
   * @returns unsubscribe
   */
  subscribe(listener: (jobId: JobId | undefined) => void): () => void
}

/** What the replicas of a fleet share about jobs. */
export interface SharedJobs {
  readonly store: SharedJobStore
  readonly leases: JobLeases
  readonly announcements: JobAnnouncements
}

/** The lease of a replica that works alone. Its result is not shared. */
export const UNSHARED_LEASE: JobLease = { release: async () => {} }

/** A fleet of one process, which shares nothing: its own cache and reads in flight are enough. */
export const UNSHARED_JOBS: SharedJobs = {
  store: { get: async () => undefined },
  leases: { acquire: async () => ({ lease: UNSHARED_LEASE, stored: undefined }) },
  announcements: { subscribe: () => () => {} },
}
