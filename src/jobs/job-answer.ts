import { hash } from 'node:crypto'
import type { JobQuality } from './job-quality.ts'
import { lacksScores } from './normalize-job.ts'

/** A Completed job without a single score is asked for again after this long: it may be a renamed field. */
const SCORELESS_FRESH_MS = 60_000

/** What is sent for a job and kept for the next caller: everything that costs something is made once, here. */
export interface JobAnswer {
  /** The JobQuality, serialized: JSON on one line. As a text, which Node sends with the head in one piece. */
  readonly body: string
  /** Of the body in UTF-8. */
  readonly byteLength: number
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
  const body = JSON.stringify(quality)
  return {
    body,
    byteLength: Buffer.byteLength(body),
    etag: entityTagOf(body),
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

/**
 * A strong entity tag, with its quotes, of a text or of what tells texts apart. 132 bits are more than enough for the
 * states of some jobs, and half as long as the whole digest.
 */
export function entityTagOf(text: string): string {
  return `"${hash('sha256', text, 'base64url').slice(0, 22)}"`
}
