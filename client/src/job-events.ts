import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { JobProblem, JobQuality, JobUpdate } from './contract.ts'
import { connectionFailed, ProblemError } from './problem-error.ts'

/** Options of {@link readEvents}. */
export interface ReadEventsOptions {
  onEvent: (event: EventSourceMessage) => void
  /** The delay before a reconnect, milliseconds. */
  onRetry: (retryMs: number) => void
  /** Called when bytes arrive. */
  onBytes: () => void
  /** Whether no more events are needed. */
  isOver: () => boolean
}

/**
 * Reads server-sent events until the stream ends or no more are needed. An incomplete event at the end is dropped.
 * @throws ProblemError if the connection is lost
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  { onEvent, onRetry, onBytes, isOver }: ReadEventsOptions,
): Promise<void> {
  const parser = createParser({ onEvent, onRetry })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let isLastRead = false
  while (!isLastRead) {
    // Reads once more: a canceled request would look like a failure, and the service ends the stream immediately.
    isLastRead = isOver()
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw connectionFailed('The stream was interrupted', error)
    })
    if (done) return
    onBytes()
    parser.feed(decoder.decode(value, { stream: true }))
  }
  await reader.cancel()
}

/** A state of a job in a stream. */
export interface JobState {
  update: JobUpdate
  /** Equal for equal states: a problem has another request id each time. */
  tag: string
}

/**
 * The state in an event; `undefined` for an event of a later version of the service.
 * @throws ProblemError if the data is not about a job
 */
export function jobStateOf({ event, data }: EventSourceMessage): JobState | undefined {
  if (event === 'status') {
    const quality = parse<JobQuality>(data)
    return { update: { jobId: quality.jobId, quality, problem: null }, tag: data }
  }
  if (event === 'problem') {
    const { jobId, ...problem } = parse<JobProblem & { jobId: string }>(data)
    return { update: { jobId, quality: null, problem }, tag: problem.code }
  }
  return undefined
}

function parse<Data extends { jobId: string }>(data: string): Data {
  let cause: unknown
  try {
    const body: Data | null = JSON.parse(data)
    if (typeof body?.jobId === 'string') return body
  } catch (error) {
    cause = error
  }
  throw new ProblemError('unexpected-response', 'Unexpected data in the stream', { cause })
}
