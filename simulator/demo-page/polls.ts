import type { JobNews } from './job-stream.ts'

/** How often CDF's own front end asks for a job, in milliseconds. */
const POLL_MS = 5_000

/**
 * How often one tab of CDF's own front end would have asked for a job: at once and then every five seconds until it
 * sees that the job is Completed, but for ever if the job failed or is not there.
 * @param news the newest of the job
 * @param ageMs how long ago the tab was opened and the job created
 */
export function pollsOf(news: JobNews | undefined, ageMs: number): number {
  const polls = 1 + Math.floor(ageMs / POLL_MS)
  const { status, createdAt, statusChangedAt } = news?.quality ?? {}
  if (status !== 'Completed' || !createdAt || !statusChangedAt) return polls
  const completedMs = Date.parse(statusChangedAt) - Date.parse(createdAt)
  return Math.min(polls, 1 + Math.ceil(completedMs / POLL_MS))
}
