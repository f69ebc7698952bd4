import { fetchEventSource } from '@microsoft/fetch-event-source'
import { EventSource } from 'eventsource'
import { createEventSource } from 'eventsource-client'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { createClient } from '../../client/src/index.ts'
import { systemTiming } from '../../client/src/timing.ts'

/** An event that a client has received. */
export interface StreamEvent {
  event: string | undefined
  /** Absent if the client does not tell. */
  id?: string | undefined
  data: string
}

/** A client of event streams. */
export interface StreamReader {
  name: string
  /** Follows each URL with a client of its own until it stops by itself, and returns the events of each. */
  followAll: (urls: readonly string[]) => Promise<StreamEvent[][]>
  /** It never receives the same state of a job twice in a row. */
  hasNoDuplicates?: boolean
  /** It takes the incomplete head of a response for a complete one, and stops if the content type is missing. */
  acceptsPartialHeads?: boolean
  /** It uses the id of an event before the event is complete. */
  usesIdEarly?: boolean
  close?: () => Promise<void>
}

/** Creates a reader from a client of one stream. */
function reader(
  name: string,
  follow: (url: string, onEvent: (event: StreamEvent) => void) => Promise<void>,
  properties: Partial<StreamReader> = {},
): StreamReader {
  const followOne = async (url: string) => {
    const events: StreamEvent[] = []
    await follow(url, (event) => events.push(event))
    return events
  }
  return { name, followAll: (urls) => Promise.all(urls.map(followOne)), ...properties }
}

const client = reader(
  '@cdf-job-quality/client',
  async (url, onEvent) => {
    const { origin, searchParams } = new URL(url)
    const { follow } = createClient(
      { baseUrl: origin },
      {
        ...systemTiming,
        // Short delays before a retry; the timeout of a stream is the real one.
        schedule: (delayMs, task) =>
          systemTiming.schedule(delayMs < 45_000 ? delayMs / 100 : delayMs, task),
      },
    )
    for await (const { jobId, quality, problem } of follow(searchParams.getAll('jobId')))
      onEvent({
        event: quality ? 'status' : 'problem',
        data: JSON.stringify(quality ?? { ...problem, jobId }),
      })
  },
  { hasNoDuplicates: true },
)

const eventsource = reader('eventsource', async (url, onEvent) => {
  const source = new EventSource(url)
  for (const event of ['status', 'problem', 'message'])
    source.addEventListener(event, ({ data, lastEventId }) =>
      onEvent({ event, data, id: lastEventId }),
    )
  await new Promise<void>((resolve) => {
    source.addEventListener('error', () => source.readyState === source.CLOSED && resolve())
  })
})

const eventsourceClient = reader('eventsource-client', async (url, onEvent) => {
  await new Promise<void>((resolve) => {
    const source = createEventSource({
      url,
      onMessage: ({ event, id, data }) => onEvent({ event, id, data }),
      // Called shortly before a 204 closes the client.
      onDisconnect: () => setImmediate(() => source.readyState === 'closed' && resolve()),
    })
  })
})

const fetchEventSourceReader = reader(
  '@microsoft/fetch-event-source',
  async (url, onEvent) => {
    // It expects a browser.
    Object.assign(globalThis, { window: globalThis, document: { removeEventListener: () => {} } })
    const stop = new AbortController()
    await fetchEventSource(url, {
      signal: stop.signal,
      openWhenHidden: true,
      onopen: async ({ status, ok }) => {
        // Without this, it would repeat a request that gets a 204 for ever.
        if (status === 204) stop.abort()
        if (!ok) throw new Error(`status ${status}`)
      },
      onmessage: onEvent,
    })
  },
  { usesIdEarly: true },
)

const parserLoop = reader('fetch and eventsource-parser', async (url, onEvent) => {
  let lastEventId: string | undefined
  let status = 0
  while (status !== 204) {
    try {
      const headers = { ...(lastEventId && { 'last-event-id': lastEventId }) }
      const response = await fetch(url, { headers })
      status = response.status
      const events = response.body
        ?.pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
      for await (const { event, id, data } of events ?? []) {
        lastEventId = id ?? lastEventId
        onEvent({ event, id, data })
      }
    } catch {
      // The connection was cut.
    }
  }
})

/** Clients that run in this process. */
export const NODE_READERS: readonly StreamReader[] = [
  client,
  eventsource,
  eventsourceClient,
  fetchEventSourceReader,
  parserLoop,
]
