import { EventSourceParserStream } from '/demo/eventsource-parser/stream.js'
import type { JobQuality } from '../../../src/jobs/job-quality.ts'
import type { Problem } from '../../../src/problems/problem.ts'

/** What the service reports for a job: its quality or a problem. */
export type JobUpdate =
  | { jobId: string; quality: JobQuality; problem?: never }
  | { jobId: string; problem: Problem; quality?: never }

/** The state of the stream. */
export type StreamState =
  | { name: 'connecting' | 'live' | 'ended'; reason?: never }
  | { name: 'lost'; reason: string }

/** Options of {@link followJobs}. */
export interface FollowOptions {
  serviceUrl: string
  getToken: () => Promise<string>
  onUpdate: (update: JobUpdate) => void
  onState: (state: StreamState) => void
  signal: AbortSignal
}

/** Delay before a new connection, in milliseconds. */
const RECONNECT_MS = 2_000

/**
 * Follows jobs over one stream until each of them has its final update, and reconnects if the stream ends earlier. Each
 * stream starts with the current state of every job, so nothing has to be stored to catch up.
 */
export async function followJobs(
  jobIds: readonly string[],
  { serviceUrl, getToken, onUpdate, onState, signal }: FollowOptions,
): Promise<void> {
  const url = new URL('/jobs/quality/events', serviceUrl)
  for (const jobId of jobIds) url.searchParams.append('jobId', jobId)
  const unfinished = new Set(jobIds)
  const receive = (update: JobUpdate) => {
    if (isFinal(update)) unfinished.delete(update.jobId)
    onUpdate(update)
  }
  let token: string | undefined
  for (;;) {
    let reason = 'the stream ended early'
    try {
      onState({ name: 'connecting' })
      token ??= await getToken()
      // `EventSource` cannot send an access token.
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${token}` },
        signal,
      })
      // The token may have expired: request a new one for the next attempt.
      if (response.status === 401) token = undefined
      if (!response.ok || !response.body) throw new Error(`the service sent ${response.status}`)
      onState({ name: 'live' })
      await response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
        .pipeTo(new WritableStream({ write: (event) => receive(parseUpdate(event)) }))
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    if (signal.aborted) return
    if (unfinished.size === 0) return onState({ name: 'ended' })
    onState({ name: 'lost', reason })
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
    if (signal.aborted) return
  }
}

function parseUpdate({ event, data }: { event?: string | undefined; data: string }): JobUpdate {
  if (event === 'problem') {
    const problem: Problem & { jobId: string } = JSON.parse(data)
    return { jobId: problem.jobId, problem }
  }
  const quality: JobQuality = JSON.parse(data)
  return { jobId: quality.jobId, quality }
}

/** Whether no other update follows. A problem with `retryAfterSeconds` is temporary. */
export function isFinal({ quality, problem }: JobUpdate): boolean {
  return quality ? quality.done : problem.retryAfterSeconds === undefined
}
