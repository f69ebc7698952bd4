import { entityTagFor } from '../http/entity-tag.ts'
import type { JobQuality } from './job-quality.ts'
import { lacksScores } from './normalize-job.ts'

/** How long a Completed job without a single score is fresh: CDF may have renamed a field. */
const SCORELESS_FRESH_MS = 60_000

/** The response for one job, serialized once and sent to every caller until CDF is read again. */
export interface CachedResponse {
  /** A JobQuality as JSON on one line. A string, because Node writes a string and the headers in one packet. */
  readonly body: string
  /** Length of the body in UTF-8. */
  readonly byteLength: number
  /** Strong entity tag of the body, with its quotes (RFC 9110 §8.8.3). */
  readonly etag: string
  /** Whether the job is Completed or Failed. */
  readonly done: boolean
  /** When CDF was read; milliseconds of the reader's clock. */
  readonly readAtMs: number
  /** When a replica first read the job; milliseconds of the reader's clock. */
  readonly firstReadAtMs: number
  /** Freshness lifetime in milliseconds; Infinity for a done job, except a Completed one without scores. */
  readonly freshForMs: number
}

/**
 * Serializes a job.
 * @param readAtMs the reader's clock when CDF had answered
 * @param firstReadAtMs when a replica first read the job, on the same clock
 * @param statusFreshMs freshness lifetime of a job that is not done
 */
export function toCachedResponse(
  quality: JobQuality,
  readAtMs: number,
  firstReadAtMs: number,
  statusFreshMs: number,
): CachedResponse {
  const body = JSON.stringify(quality)
  const doneFreshMs = lacksScores(quality) ? SCORELESS_FRESH_MS : Number.POSITIVE_INFINITY
  return {
    body,
    byteLength: Buffer.byteLength(body),
    etag: entityTagFor(body),
    done: quality.done,
    readAtMs,
    firstReadAtMs,
    freshForMs: quality.done ? doneFreshMs : statusFreshMs,
  }
}
