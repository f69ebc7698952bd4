import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'

/**
 * The callers of `bench/watchers.ts`, in a process of their own, so that ten thousand of them delay neither the
 * simulated CDF nor the plain reader. One order after the other, each answered by one message.
 */
export type Order =
  /** Watches jobs until they are done; answered as soon as everybody watches. */
  | { kind: 'watch'; target: Target; watchers: Watcher[] }
  /** Answered with a {@link LoadReport} as soon as everybody has seen the end, or when the time is over. */
  | { kind: 'report'; withinMs: number }
  /** Opens streams, waits for the first event of each, and leaves all of them; answered with a LoadReport. */
  | { kind: 'wave'; target: Target; jobIds: string[]; from: string; byReset: boolean }

/** Follows a stream of some jobs, or waits for news of one. */
export type Watcher = { streams: string[] } | { waitsFor: string }

/** The service, and how to get in. */
export interface Target {
  port: number
  token: string
}

/** What the callers have seen. */
export interface LoadReport {
  /** When each watcher heard of a state (see {@link stateKey}), milliseconds since the epoch. */
  heard: Map<string, number[]>
  /** How often each HTTP status came. */
  statuses: Map<number, number>
  /** Everything that should not have been. */
  faults: string[]
  /** How many still watch. */
  watching: number
}

/** What of a JobQuality is looked at. */
interface Quality {
  jobId: string
  done: boolean
  statusChangedAt: string
}

/** How many begin at once, well below the 511 that wait to be accepted. */
const OPENING_AT_ONCE = 200
/** What a waiting caller prefers; the greatest that the service grants. */
const WAIT = 'wait=25'
/** A wait in vain that ends earlier than this was none. */
const MIN_WAIT_MS = 24_000
/** What a wave's sockets get to close. */
const LEAVING_MS = 5_000

const heard = new Map<string, number[]>()
const statuses = new Map<number, number>()
const faults: string[] = []
let watching = 0
const agent = new Agent({ keepAlive: true })

/** Milliseconds since the epoch, finer than Date.now and the same in every process of this machine. */
export const preciseNow = () => performance.timeOrigin + performance.now()

/** One state of one job. */
export const stateKey = (jobId: string, statusTimeMs: number) => `${jobId} ${statusTimeMs}`

function hear({ jobId, statusChangedAt }: Quality): void {
  const key = stateKey(jobId, Date.parse(statusChangedAt))
  const times = heard.get(key)
  if (times) times.push(preciseNow())
  else heard.set(key, [preciseNow()])
}

/** One GET; resolves with the head of the answer. */
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

/** Opens a stream; resolves with how to leave it, at its first event. */
async function openStream(target: Target, jobIds: string[], localAddress = '127.0.0.1') {
  const path =
    jobIds.length === 1
      ? `/jobs/${jobIds[0]}/quality/events`
      : `/jobs/quality/events?${jobIds.map((jobId) => `jobId=${jobId}`).join('&')}`
  const { request, response } = await open(target, path, {}, { agent: false, localAddress })
  const tags = new Map<string, string>()
  const undone = new Set(jobIds)
  let left = false
  watching += 1
  const firstEvent = Promise.withResolvers<void>()
  const parser = createParser({
    onEvent: ({ event, id = '', data }) => {
      const quality = JSON.parse(data) as Quality
      if (event !== 'status') faults.push(`event ${event}: ${data}`)
      if (tags.get(quality.jobId) === id) faults.push(`told twice: ${data}`)
      tags.set(quality.jobId, id)
      if (quality.done) undone.delete(quality.jobId)
      hear(quality)
      firstEvent.resolve()
    },
  })
  response.on('data', (text: string) => parser.feed(text))
  for (const side of [request, response]) side.on('error', () => {})
  response.once('close', () => {
    watching -= 1
    if (left) return
    if (!response.complete) faults.push('a stream was cut off')
    else if (undone.size > 0) faults.push(`a stream ended with ${undone.size} jobs not done`)
    firstEvent.resolve()
  })
  await firstEvent.promise
  return (byReset: boolean) => {
    left = true
    if (byReset) request.socket?.resetAndDestroy()
    else request.destroy()
  }
}

/** Asks once and reads the answer. */
async function ask(target: Target, path: string, headers: Record<string, string> = {}) {
  const { response } = await open(target, path, headers, { agent })
  let text = ''
  for await (const piece of response) text += piece
  return { status: response.statusCode, etag: response.headers.etag ?? '', text }
}

/** A caller who waits for news, again and again, until the job is done; resolves as soon as it has asked. */
async function openWaiter(target: Target, jobId: string): Promise<void> {
  const path = `/jobs/${jobId}/quality`
  const first = await ask(target, path)
  hear(JSON.parse(first.text))
  watching += 1
  const goOn = async () => {
    for (let { etag } = first; ; ) {
      const askedAtMs = preciseNow()
      const answer = await ask(target, path, { prefer: WAIT, 'if-none-match': etag })
      if (answer.status === 304) {
        const waitedMs = preciseNow() - askedAtMs
        if (waitedMs < MIN_WAIT_MS) faults.push(`304 after ${waitedMs.toFixed(0)} ms`)
        continue
      }
      if (answer.etag === etag) faults.push(`told twice: ${answer.text}`)
      const quality: Quality = JSON.parse(answer.text)
      hear(quality)
      if (quality.done) return
      etag = answer.etag
    }
  }
  goOn()
    .catch((error: Error) => faults.push(`a waiter failed: ${error.message}`))
    .finally(() => {
      watching -= 1
    })
}

/** Does it for each, so many at a time. */
async function inTurns<T>(all: T[], open: (one: T) => Promise<unknown>): Promise<void> {
  const rest = all.values()
  const one = async () => {
    for (const next of rest) {
      await open(next).catch((error: Error) => faults.push(`not opened: ${error.message}`))
    }
  }
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, one))
}

async function untilNobodyWatches(withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs
  while (watching > 0 && performance.now() < endMs) await sleep(10)
}

function report(): LoadReport {
  return { heard, statuses, faults, watching }
}

async function perform(order: Order): Promise<LoadReport> {
  if (order.kind === 'watch') {
    const { target, watchers } = order
    await inTurns(watchers, (watcher) =>
      'streams' in watcher
        ? openStream(target, watcher.streams)
        : openWaiter(target, watcher.waitsFor),
    )
  } else if (order.kind === 'wave') {
    const { target, jobIds, from, byReset } = order
    const leave: ((byReset: boolean) => void)[] = []
    await inTurns(jobIds, async (jobId) => leave.push(await openStream(target, [jobId], from)))
    for (const go of leave) go(byReset)
    await untilNobodyWatches(LEAVING_MS)
  } else {
    await untilNobodyWatches(order.withinMs)
  }
  return report()
}

process.on('message', async (order: Order) => {
  process.send?.(await perform(order))
})
// Nobody is left to load anything for.
process.on('disconnect', () => process.exit())
