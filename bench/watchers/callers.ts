import { Agent, type ClientRequest, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { preciseNow } from '../../test/support/cdf-reads.ts'
import { pathOf } from '../servers/completed-job.ts'
import type { Target } from '../support/measured-service.ts'
import { stateKey } from './job-state.ts'

/**
 * A message to the process of the callers, which answers each with one {@link CallersReport}. The callers have their own
 * process, so that they delay neither the simulated CDF nor the reader of cached responses.
 */
export type Order =
  /** Watches jobs until they are done; answered once all watchers are connected. */
  | { kind: 'watch'; target: Target; watchers: Watcher[] }
  /** Answered when all watchers are done, or after this time. */
  | { kind: 'report'; withinMs: number }
  /** Opens streams, waits for the first event of each, and disconnects all of them. */
  | { kind: 'wave'; target: Target; jobIds: string[]; from: string; byReset: boolean }

/** One stream of some jobs, a request that waits for a change of one job, or regular requests for one job. */
export type Watcher = { streams: string[] } | { waitsFor: string } | { polls: string }

/** What the callers received. */
export interface CallersReport {
  /** When each watcher received a state (see {@link stateKey}), milliseconds since the epoch. */
  received: Map<string, number[]>
  /** Number of responses by HTTP status. */
  statuses: Map<number, number>
  /** Descriptions of everything unexpected. */
  faults: string[]
  /** Number of callers that still watch. */
  watching: number
}

/** The checked members of a JobQuality. */
interface Quality {
  jobId: string
  done: boolean
  statusChangedAt: string
}

/** Connections opened at the same time, fewer than the listen backlog of 511. */
const OPENING_AT_ONCE = 200
/** The longest wait that the service grants. */
const WAIT = 'wait=25'
/** A wait without a change takes at least this long. */
const MIN_WAIT_MS = 24_000
/** What the service recommends with `Retry-After`. */
const POLL_MS = 2_000
/** Time for the sockets of a wave to close. */
const CLOSING_MS = 5_000

const received: CallersReport['received'] = new Map()
const statuses = new Map<number, number>()
const faults: string[] = []
let watching = 0
const agent = new Agent({ keepAlive: true })

function onQuality({ jobId, statusChangedAt }: Quality): void {
  const key = stateKey(jobId, Date.parse(statusChangedAt))
  const times = received.get(key)
  if (times) times.push(preciseNow())
  else received.set(key, [preciseNow()])
}

/** One GET; resolves with the head of the response. */
function open(
  { port, token }: Target,
  path: string,
  headers: Record<string, string>,
  connection: { agent: Agent | false; localAddress?: string },
): Promise<{ request: ClientRequest; response: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const request = get({
      host: '127.0.0.1',
      port,
      path,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...connection,
    })
    request.once('error', reject)
    request.once('response', (response) => {
      const { statusCode = 0 } = response
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
      response.setEncoding('utf8')
      resolve({ request, response })
    })
  })
}

/** Opens a stream; resolves at its first event with a function that disconnects. */
async function openStream(target: Target, jobIds: string[], localAddress = '127.0.0.1') {
  const path =
    jobIds.length === 1
      ? `/jobs/${jobIds[0]}/quality/events`
      : `/jobs/quality/events?${jobIds.map((jobId) => `jobId=${jobId}`).join('&')}`
  const { request, response } = await open(target, path, {}, { agent: false, localAddress })
  const etags = new Map<string, string>()
  const undone = new Set(jobIds)
  let isDisconnected = false
  watching += 1
  const firstEvent = Promise.withResolvers<void>()
  const parser = createParser({
    onEvent: ({ event, id = '', data }) => {
      const quality = JSON.parse(data) as Quality
      if (event !== 'status') faults.push(`event ${event}: ${data}`)
      if (etags.get(quality.jobId) === id) faults.push(`duplicate event: ${data}`)
      etags.set(quality.jobId, id)
      if (quality.done) undone.delete(quality.jobId)
      onQuality(quality)
      firstEvent.resolve()
    },
  })
  response.on('data', (text: string) => parser.feed(text))
  for (const side of [request, response]) side.on('error', () => {})
  response.once('close', () => {
    watching -= 1
    if (isDisconnected) return
    if (!response.complete) faults.push('incomplete stream')
    else if (undone.size > 0) faults.push(`stream ended before ${undone.size} jobs were done`)
    firstEvent.resolve()
  })
  await firstEvent.promise
  return (byReset: boolean) => {
    isDisconnected = true
    if (byReset) request.socket?.resetAndDestroy()
    else request.destroy()
  }
}

/** One GET with its body. */
async function read(target: Target, path: string, headers: Record<string, string> = {}) {
  const { response } = await open(target, path, headers, { agent })
  let text = ''
  for await (const piece of response) text += piece
  return { status: response.statusCode, etag: response.headers.etag ?? '', text }
}

/** Waits for changes until the job is done; resolves once the first wait has begun. */
async function openWaiter(target: Target, jobId: string): Promise<void> {
  const path = pathOf(jobId)
  const first = await read(target, path)
  onQuality(JSON.parse(first.text))
  watching += 1
  const waitUntilDone = async () => {
    for (let { etag } = first; ; ) {
      const startMs = preciseNow()
      const response = await read(target, path, { prefer: WAIT, 'if-none-match': etag })
      if (response.status === 304) {
        const waitedMs = preciseNow() - startMs
        if (waitedMs < MIN_WAIT_MS) faults.push(`304 after ${waitedMs.toFixed(0)} ms`)
        continue
      }
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      if (response.etag === etag) faults.push(`unchanged response: ${response.text}`)
      const quality: Quality = JSON.parse(response.text)
      onQuality(quality)
      if (quality.done) return
      etag = response.etag
    }
  }
  waitUntilDone()
    .catch((error: Error) => faults.push(`failed wait: ${error.message}`))
    .finally(() => {
      watching -= 1
    })
}

/** Reads a job until it is done; resolves with the first response. */
async function openPoller(target: Target, jobId: string): Promise<void> {
  const path = pathOf(jobId)
  const first = await read(target, path)
  watching += 1
  const poll = async () => {
    for (let { etag, text } = first; ; ) {
      if (text && JSON.parse(text).done) return
      await sleep(POLL_MS)
      const response = await read(target, path, { 'if-none-match': etag })
      if (response.status !== 200 && response.status !== 304)
        throw new Error(`status ${response.status}`)
      etag = response.etag
      text = response.text
    }
  }
  poll()
    .catch((error: Error) => faults.push(`failed poll: ${error.message}`))
    .finally(() => {
      watching -= 1
    })
}

/** Opens a connection for each item, a limited number at the same time. */
async function openAll<T>(items: T[], open: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values()
  const openNext = async () => {
    for (const item of rest) {
      await open(item).catch((error: Error) => faults.push(`not opened: ${error.message}`))
    }
  }
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, openNext))
}

async function untilNoneWatches(withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs
  while (watching > 0 && performance.now() < endMs) await sleep(10)
}

async function perform(order: Order): Promise<CallersReport> {
  if (order.kind === 'watch') {
    const { target, watchers } = order
    await openAll<Watcher>(watchers, (watcher) => {
      if ('streams' in watcher) return openStream(target, watcher.streams)
      if ('waitsFor' in watcher) return openWaiter(target, watcher.waitsFor)
      return openPoller(target, watcher.polls)
    })
  } else if (order.kind === 'wave') {
    const { target, jobIds, from, byReset } = order
    const disconnects: ((byReset: boolean) => void)[] = []
    await openAll(jobIds, async (jobId) =>
      disconnects.push(await openStream(target, [jobId], from)),
    )
    for (const disconnect of disconnects) disconnect(byReset)
    await untilNoneWatches(CLOSING_MS)
  } else {
    await untilNoneWatches(order.withinMs)
  }
  return { received, statuses, faults, watching }
}

process.on('message', async (order: Order) => {
  process.send?.(await perform(order))
})
process.on('disconnect', () => process.exit())
