import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Test } from 'tap'

/** A stream of server-sent events, read with `eventsource-parser`. */
export interface EventStream {
  status: number
  headers: Headers
  /** The raw text so far. */
  text: () => string
  events: EventSourceMessage[]
  comments: string[]
  retries: number[]
  /** The status of the job, or the code of the problem, in each event so far. */
  states: () => string[]
  hasEnded: () => boolean
  /** Disconnects. */
  close: () => void
}

/** Opens a stream of server-sent events. It disconnects at the end of the test. */
export async function openEvents(
  t: Test,
  url: string,
  headers: Record<string, string> = {},
): Promise<EventStream> {
  const disconnect = new AbortController()
  const response = await fetch(url, { headers, signal: disconnect.signal })
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
    if (error.name !== 'AbortError') t.fail('the connection broke', { error })
  })
  t.teardown(() => disconnect.abort())
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
    close: () => disconnect.abort(),
  }
}
