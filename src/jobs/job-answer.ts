import { createHash } from 'node:crypto'
import type { JobQuality } from './job-quality.ts'
import { lacksScores } from './normalize-job.ts'

/** A Completed job without a single score is asked for again after this long: it may be a renamed field. */
const SCORELESS_FRESH_MS = 60_000

/** What is sent for a job and kept for the next caller: everything that costs something is made once, here. */
export interface JobAnswer {
  /** The JobQuality, serialized: JSON on one line, UTF-8. */
  readonly body: Buffer
  /** Strong entity tag of the body, with its quotes (RFC 9110 §8.8.3). */
  readonly etag: string
  /** Whether the job is over. */
  readonly done: boolean
  /** When CDF said so, in milliseconds of the reader's clock. */
  readonly readAtMs: number
  /** When this process first heard of the job, as far as it remembers; on the same clock. */
  readonly firstSeenMs: number
  /** How long the answer may be given without asking CDF again, in milliseconds; Infinity for a final result. */
  readonly freshForMs: number
}

/**
 * Serializes a job.
 * @param readAtMs the reader's clock when CDF had answered
 * @param firstSeenMs when the job was first heard of, on the same clock
 * @param statusFreshMs how long a job that is not done stays fresh
 */
export function toJobAnswer(
  quality: JobQuality,
  readAtMs: number,
  firstSeenMs: number,
  statusFreshMs: number,
): JobAnswer {
  const body = Buffer.from(JSON.stringify(quality))
  return {
    body,
    // 132 bits are more than enough to tell the states of one job apart, and half as long as the whole digest.
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    done: quality.done,
    readAtMs,
    firstSeenMs,
    freshForMs: !quality.done
      ? statusFreshMs
      : lacksScores(quality)
        ? SCORELESS_FRESH_MS
        : Number.POSITIVE_INFINITY,
  }
}
