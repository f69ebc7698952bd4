import type { EventSourceMessage } from 'eventsource-parser'
import { createParser } from 'eventsource-parser'
import type { Test } from 'tap'

/** A stream that is being read, by a parser that is not ours. */
export interface EventStream {
  status: number
  headers: Headers
  /** Every byte so far. */
  text: () => string
  events: EventSourceMessage[]
  comments: string[]
  retries: number[]
  /** What the events hold, in short: the status of a job, or the code of a problem. */
  states: () => string[]
  hasEnded: () => boolean
  /** Hangs up. */
  leave: () => void
}

/** Opens a stream of server-sent events for one test. */
export async function openEvents(
  t: Test,
  url: string,
  headers: Record<string, string> = {},
): Promise<EventStream> {
  const hangUp = new AbortController()
  const response = await fetch(url, { headers, signal: hangUp.signal })
  const events: EventSourceMessage[] = []
  const comments: string[] = []
  const retries: number[] = []
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onComment: (comment) => comments.push(comment),
    onRetry: (ms) => retries.push(ms),
  })
  let text = ''
  let ended = false
  const read = async () => {
    for await (const chunk of response.body ?? []) {
      const piece = Buffer.from(chunk).toString()
      text += piece
      parser.feed(piece)
    }
    ended = true
  }
  read().catch((error: Error) => {
    if (error.name !== 'AbortError') t.fail('the stream was cut off', { error })
  })
  t.teardown(() => hangUp.abort())
  return {
    status: response.status,
    headers: response.headers,
    text: () => text,
    events,
    comments,
    retries,
    states: () =>
      events.map(({ data }) => {
        const { status, code } = JSON.parse(data) as { status: string; code?: string }
        return code ?? status
      }),
    hasEnded: () => ended,
    leave: () => hangUp.abort(),
  }
}
