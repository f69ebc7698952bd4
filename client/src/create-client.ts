import type { JobQuality, JobUpdate } from './contract.ts'
import { type FollowOptions, followJobs } from './follow-jobs.ts'
import { canonicalJobId, pagesOf } from './job-ids.ts'
import { JobReader } from './job-reader.ts'
import { createRequestSender, type TokenSource } from './send-request.ts'
import { systemTiming, type Timing } from './timing.ts'
import { type WaitOptions, waitUntilDone } from './wait-until-done.ts'

/** Options of {@link createClient}. */
export interface ClientOptions {
  /** The absolute URL of the service, with a path if it has one. */
  baseUrl: string
  /** Not needed if the service has no authentication. */
  token?: TokenSource | undefined
  /** Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
}

/** Options of one request. */
export interface RequestOptions {
  signal?: AbortSignal | undefined
}

/** Reads and follows jobs. Job ids may be in upper case; results have them in lower case. */
export interface Client {
  /**
   * Reads one job. If it has not changed since the last time, the result is the same object.
   * @throws ProblemError; the reason of the signal
   */
  get(jobId: string, options?: RequestOptions): Promise<JobQuality>
  /**
   * Reads any number of jobs, 100 with each request. The results have the order of the ids.
   * @throws ProblemError if a request fails; the reason of the signal
   */
  list(jobIds: readonly string[], options?: RequestOptions): Promise<JobUpdate[]>
  /**
   * Waits until a job is done. Transient problems are retried.
   * @throws ProblemError if a problem is permanent; the reason of the signal
   */
  waitUntilDone(jobId: string, options?: WaitOptions): Promise<JobQuality>
  /**
   * Follows any number of jobs until the state of each one is final: first the current states, then each change. A
   * consumer that is much slower than the stream gets only the latest state of each job. Transient failures are retried.
   * @throws ProblemError if a stream fails permanently; the reason of the signal
   */
  follow(
    jobIds: readonly string[],
    options?: FollowOptions,
  ): AsyncGenerator<JobUpdate, void, undefined>
}

/**
 * Creates a client.
 * @param timing for tests
 * @throws TypeError if the base URL is invalid, or neither `http:` nor `https:`
 */
export function createClient(options: ClientOptions, timing: Timing = systemTiming): Client {
  const { baseUrl, token, fetch = globalThis.fetch } = options
  const send = createRequestSender({ baseUrl, token, fetch, timing })
  const reader = new JobReader(send)
  return {
    async get(jobId, { signal } = {}) {
      const { quality } = await reader.read(jobId, { signal, known: reader.kept(jobId) })
      return quality
    },
    async list(jobIds, { signal } = {}) {
      const byId = new Map<string, JobUpdate>()
      for (const page of pagesOf(jobIds)) {
        const items = await reader.readList(page, signal)
        // The service returns the items in the order of the request.
        for (const [index, id] of page.entries()) byId.set(id, items[index] as JobUpdate)
      }
      return jobIds.map((jobId) => byId.get(canonicalJobId(jobId)) as JobUpdate)
    },
    waitUntilDone: (jobId, options = {}) => waitUntilDone(jobId, reader, timing, options),
    follow: (jobIds, options = {}) => followJobs(jobIds, send, timing, options),
  }
}
