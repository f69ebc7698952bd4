import type { JobUpdate } from '@cdf-job-quality/client'

/** The polling interval of CDF's own front end, in milliseconds. */
const POLL_INTERVAL_MS = 5_000

/**
 * Number of requests that one tab of CDF's own front end would have sent for a job: it polls until the job is
 * Completed, and never stops if the job failed or does not exist.
 * @param update the latest one of the job
 * @param ageMs the time since the job was created and the tab opened
 */
export function pollCount(update: JobUpdate | undefined, ageMs: number): number {
  const polls = 1 + Math.floor(ageMs / POLL_INTERVAL_MS)
  const { status, createdAt, statusChangedAt } = update?.quality ?? {}
  if (status !== 'Completed' || !createdAt || !statusChangedAt) return polls
  const completedMs = Date.parse(statusChangedAt) - Date.parse(createdAt)
  return Math.min(polls, 1 + Math.ceil(completedMs / POLL_INTERVAL_MS))
}
