import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { mib } from '../support/report.ts'
import { median, quantile } from '../support/statistics.ts'
import { type Row, startCheckout } from './measured-checkout.ts'

const SECONDS = 10
const PROBE_EVERY_MS = 20
/** Time between two floods. */
const AFTER_FLOOD_MS = 500
const PIPELINED = 1_500
const UNREAD_CONNECTIONS = 200
const BUNDLE = '/docs/static/swagger-ui-bundle.js'

const GOALS = {
  /** From this delay of the event loop on, the service calls itself overloaded. */
  stallMs: 250,
  /** About one bundle for every tenth connection. */
  growthMib: 30,
}

const requestText = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`

/** Sends all requests in one write, and waits until the connection closes. */
async function sendPipelined(port: number, path: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  socket.write(requestText(path).repeat(PIPELINED - 1) + requestText(path, 'Connection: close\r\n'))
  await new Promise((resolve) => socket.once('close', resolve))
}

/** The longest time that a liveness probe takes while the work runs, one probe at a time. */
async function longestProbe(url: string, work: Promise<void>) {
  const dispatcher = new Agent({ pipelining: 0, connect: { timeout: 60_000 } })
  let isDone = false
  let failed = 0
  const tookMs: number[] = []
  const probe = async () => {
    while (!isDone) {
      const startMs = performance.now()
      const response = await request(`${url}/health/live`, { dispatcher }).catch(() => undefined)
      if (response) await response.body.dump()
      else failed += 1
      tookMs.push(performance.now() - startMs)
      await sleep(PROBE_EVERY_MS)
    }
  }
  const probing = probe()
  await work
  isDone = true
  await probing
  await dispatcher.destroy()
  return { longestMs: Math.max(...tookMs), failed }
}

/** How long a liveness probe waits while one connection pipelines requests for a public page or for metrics. */
export async function measureStalls(folder: string): Promise<Row[]> {
  const checkout = await startCheckout(folder, 0)
  const { url, metricsPort } = checkout
  const pages = [
    { port: Number(new URL(url).port), path: '/openapi.yaml' },
    { port: metricsPort, path: '/metrics' },
  ]
  const rows: Row[] = []
  for (const { port, path } of pages) {
    // The first request renders Swagger UI.
    await fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.text())
    // The service still works on the requests after the connection has closed.
    const flood = () => sendPipelined(port, path).then(() => sleep(AFTER_FLOOD_MS))
    const stallsMs: number[] = []
    let failures = 0
    const endMs = performance.now() + SECONDS * 1000
    while (performance.now() < endMs) {
      const { longestMs, failed } = await longestProbe(url, flood())
      stallsMs.push(longestMs)
      failures += failed
    }
    const stallMs = median(stallsMs)
    rows.push({
      what: `longest probe, ${PIPELINED} pipelined \`GET ${path}\` in one write`,
      result: `${stallMs.toFixed(0)} (${quantile(stallsMs, 0.95).toFixed(0)}) ms, ${failures} failed`,
      goal: `median ≤ ${GOALS.stallMs} ms, 0 failed`,
      holds: stallMs <= GOALS.stallMs && failures === 0,
    })
  }
  await checkout.end()
  return rows
}

/** How much memory the service takes for large responses that their clients do not read. */
export async function measureUnreadResponses(folder: string): Promise<Row[]> {
  const checkout = await startCheckout(folder, 0)
  const { url, memory } = checkout
  for (let times = 0; times < 20; times += 1)
    await fetch(`${url}${BUNDLE}`).then((response) => response.arrayBuffer())
  const before = await memory()
  const sockets: Socket[] = []
  for (let number = 0; number < UNREAD_CONNECTIONS; number += 1) {
    // Without a listener for data, a socket reads 64 KiB at most.
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
    socket.write(requestText(BUNDLE))
    sockets.push(socket)
  }
  await sleep(SECONDS * 1000)
  const growth = (await memory()).rss - before.rss
  for (const socket of sockets) socket.destroy()
  await checkout.end()
  return [
    {
      what: `growth of RSS, ${UNREAD_CONNECTIONS} connections that do not read \`${BUNDLE}\``,
      result: mib(growth),
      goal: `≤ ${GOALS.growthMib} MiB`,
      holds: growth <= GOALS.growthMib * 2 ** 20,
    },
  ]
}
