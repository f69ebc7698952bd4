import { EventSourceParserStream } from '/demo/eventsource-parser/stream.js'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import type { Problem } from '../../src/problem.ts'

/** What the service says of a job: how it is, or why it cannot say so. */
export type JobNews =
  | { jobId: string; quality: JobQuality; problem?: never }
  | { jobId: string; problem: Problem; quality?: never }

/** How it stands with the stream; a reason where it was lost. */
export type StreamState =
  | { name: 'connecting' | 'live' | 'over'; reason?: never }
  | { name: 'lost'; reason: string }

/** Options of {@link followJobs}. */
export interface FollowOptions {
  serviceUrl: string
  getToken: () => Promise<string>
  onNews: (news: JobNews) => void
  onState: (state: StreamState) => void
  signal: AbortSignal
}

/** How long to wait before coming back, in milliseconds. */
const RETRY_MS = 2_000

/**
 * Follows jobs over one stream until nothing more will be told of any of them, and comes back whenever it ends before.
 * Each time, the service tells the newest state of every job first: nothing is missed, and there is nothing to keep.
 */
export async function followJobs(
  jobIds: readonly string[],
  { serviceUrl, getToken, onNews, onState, signal }: FollowOptions,
): Promise<void> {
  const url = new URL('/jobs/quality/events', serviceUrl)
  for (const jobId of jobIds) url.searchParams.append('jobId', jobId)
  const untold = new Set(jobIds)
  const tell = (news: JobNews) => {
    if (isLast(news)) untold.delete(news.jobId)
    onNews(news)
  }
  let token: string | undefined
  for (;;) {
    let reason = 'the stream has ended'
    try {
      onState({ name: 'connecting' })
      token ??= await getToken()
      // An EventSource cannot send a token.
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${token}` },
        signal,
      })
      // The token has ended, or the service has new keys: the next attempt gets a new one.
      if (response.status === 401) token = undefined
      if (!response.ok || !response.body) throw new Error(`the service says ${response.status}`)
      onState({ name: 'live' })
      await response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
        .pipeTo(new WritableStream({ write: (event) => tell(newsOf(event)) }))
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    if (signal.aborted) return
    if (untold.size === 0) return onState({ name: 'over' })
    onState({ name: 'lost', reason })
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    if (signal.aborted) return
  }
}

function newsOf({ event, data }: { event?: string | undefined; data: string }): JobNews {
  if (event === 'problem') {
    const problem: Problem & { jobId: string } = JSON.parse(data)
    return { jobId: problem.jobId, problem }
  }
  const quality: JobQuality = JSON.parse(data)
  return { jobId: quality.jobId, quality }
}

/** Whether this is all there is to say of the job. A problem that says when to come back may pass. */
export function isLast({ quality, problem }: JobNews): boolean {
  return quality ? quality.done : problem.retryAfterSeconds === undefined
}
