import type { EventSourceMessage } from 'eventsource-parser'
import { isFinal, type JobUpdate } from './contract.ts'
import { type JobState, jobStateOf, readEvents } from './job-events.ts'
import { pagesOf, queryOf } from './job-ids.ts'
import { onAbort } from './on-abort.ts'
import { connectionFailed, ProblemError, unexpectedResponse } from './problem-error.ts'
import type { SendRequest } from './send-request.ts'
import { retryDelayMs, sleep, type Timing } from './timing.ts'
import type { OnRetry } from './wait-until-done.ts'

/** Options of {@link followJobs}. */
export interface FollowOptions {
  /** Ends the streams; the iterator then throws its reason. */
  signal?: AbortSignal | undefined
  /** Called when a stream is open. */
  onOpen?: (() => void) | undefined
  onRetry?: OnRetry | undefined
}

/** The service sends a comment every 15 s. */
const TIMEOUT_MS = 45_000
/** Beyond this mean number, only the latest state of each job is kept for the consumer. */
const MAX_UNDELIVERED_PER_JOB = 10

/**
 * Follows jobs until the state of each one is final, over one stream for 100 jobs. No state of a job comes twice in a
 * row. A consumer that is much slower than the stream gets only the latest state of each job.
 * @throws ProblemError if a stream fails permanently; the reason of the signal
 */
export async function* followJobs(
  jobIds: readonly string[],
  send: SendRequest,
  timing: Timing,
  { signal, onOpen, onRetry }: FollowOptions,
): AsyncGenerator<JobUpdate, void, undefined> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const stopListening = onAbort(signal, () => controller.abort(signal?.reason))
  let undelivered: JobState[] = []
  const deliveredTags = new Map<string, string>()
  let wake = () => {}
  const onState = (state: JobState) => {
    undelivered.push(state)
    if (undelivered.length > MAX_UNDELIVERED_PER_JOB * jobIds.length)
      undelivered = [...new Map(undelivered.map((each) => [each.update.jobId, each])).values()]
    wake()
  }
  let failure: { error: unknown } | undefined
  const pages = pagesOf(jobIds)
  let open = pages.length
  for (const page of pages) {
    followPage(page, send, timing, { signal: controller.signal, onOpen, onRetry, onState })
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .then(() => {
        open -= 1
        wake()
      })
  }
  try {
    for (;;) {
      for (let next = undelivered.shift(); next; next = undelivered.shift()) {
        signal?.throwIfAborted()
        const { update, tag } = next
        if (deliveredTags.get(update.jobId) === tag) continue
        deliveredTags.set(update.jobId, tag)
        yield update
      }
      if (failure) throw failure.error
      if (open === 0) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    stopListening()
    controller.abort()
  }
}

interface PageOptions extends FollowOptions {
  signal: AbortSignal
  onState: (state: JobState) => void
}

/** Follows up to 100 jobs over one stream, and reconnects until the state of each one is final. */
async function followPage(
  jobIds: readonly string[],
  send: SendRequest,
  timing: Timing,
  { signal, onOpen, onRetry, onState }: PageOptions,
): Promise<void> {
  const path = `/jobs/quality/events?${queryOf(jobIds)}`
  const unfinished = new Set(jobIds)
  let lastEventId: string | undefined
  let baseMs = 0
  let failures = 0

  const onEvent = (event: EventSourceMessage) => {
    failures = 0
    lastEventId = event.id ?? lastEventId
    const state = jobStateOf(event)
    if (!state || !unfinished.has(state.update.jobId)) return
    if (isFinal(state.update)) unfinished.delete(state.update.jobId)
    onState(state)
  }
  const receive = async (response: Response, onBytes: () => void) => {
    // The service has sent everything before `lastEventId`.
    if (response.status === 204 && lastEventId) return unfinished.clear()
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
    if (!isStream || !response.body) throw unexpectedResponse(response)
    onOpen?.()
    await readEvents(response.body, {
      onEvent,
      onRetry: (retryMs) => {
        baseMs = retryMs
      },
      onBytes,
      isOver: () => unfinished.size === 0,
    })
    if (unfinished.size > 0) throw connectionFailed('The stream has ended early')
  }

  while (unfinished.size > 0) {
    const headers = { ...(lastEventId && { 'last-event-id': lastEventId }) }
    try {
      await send({ path, headers, signal, timeoutMs: TIMEOUT_MS }, receive)
    } catch (error) {
      if (!(error instanceof ProblemError && error.isTransient)) throw error
      // The connection was lost after the last event.
      if (unfinished.size === 0) return
      const { retryAfterSeconds } = error
      const delayMs = retryDelayMs({ failures, baseMs, retryAfterSeconds, random: timing.random })
      failures += 1
      onRetry?.(error, delayMs)
      await sleep(delayMs, timing, signal)
    }
  }
}
