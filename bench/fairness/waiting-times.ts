import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { VARIABLES } from '../../src/config/environment.ts'
import { pathOf } from '../servers/completed-job.ts'
import { median, quantile } from '../support/statistics.ts'
import type { MeasuredCheckout, Row } from './measured-checkout.ts'
import { openStreams, queryOf, startCheckout } from './measured-checkout.ts'

const CDF_DELAYS_MS = [100, 300]
const SECONDS = 20
/** The measured caller reads a new job at this interval, also while earlier reads wait. */
const READ_EVERY_MS = 250
const JOBS_AT_ONCE = 100
const LISTS_IN_FLIGHT = 6
const MAX_STREAMS = Math.floor(VARIABLES.CALLER_MAX_WATCHED_JOBS.default / JOBS_AT_ONCE)

/** What another caller does, until the returned function is called. */
type Abuse = (checkout: MeasuredCheckout) => Promise<() => Promise<void>>

const listsOfUnknownIds: Abuse = async ({ url, headersOf }) => {
  const headers = await headersOf('abuser')
  const dispatcher = new Agent()
  let isStopped = false
  const sendLists = async () => {
    while (!isStopped) {
      const ids = Array.from({ length: JOBS_AT_ONCE }, () => randomUUID())
      const path = `/jobs/quality?${queryOf(ids)}`
      const { statusCode, body } = await request(`${url}${path}`, { dispatcher, headers })
      await body.dump()
      if (statusCode !== 200) throw new Error(`a list of ${JOBS_AT_ONCE} ids: ${statusCode}`)
    }
  }
  const loops = Array.from({ length: LISTS_IN_FLIGHT }, sendLists)
  return async () => {
    isStopped = true
    await Promise.all(loops)
    await dispatcher.destroy()
  }
}

const streamsOfRunningJobs =
  (count: number): Abuse =>
  (checkout) => {
    const jobIds = () => Array.from({ length: JOBS_AT_ONCE }, () => checkout.addJob('Running'))
    const streams = Array.from({ length: count }, () => ({ caller: 'abuser', jobIds: jobIds() }))
    return openStreams(checkout, streams)
  }

const ABUSES: Record<string, Abuse> = {
  undisturbed: async () => async () => {},
  [`beside ${LISTS_IN_FLIGHT} lists of ${JOBS_AT_ONCE} unknown ids`]: listsOfUnknownIds,
  [`beside 3 streams of ${JOBS_AT_ONCE} running jobs`]: streamsOfRunningJobs(3),
  [`beside ${MAX_STREAMS} streams of ${JOBS_AT_ONCE} running jobs`]:
    streamsOfRunningJobs(MAX_STREAMS),
}

async function readNewJobs({ url, addJob, headersOf }: MeasuredCheckout) {
  const headers = await headersOf('reader')
  const dispatcher = new Agent()
  const tookMs: number[] = []
  let failed = 0
  const readOne = async () => {
    const startMs = performance.now()
    const path = pathOf(addJob('Completed'))
    const { statusCode, body } = await request(`${url}${path}`, { dispatcher, headers })
    await body.dump()
    if (statusCode === 200) tookMs.push(performance.now() - startMs)
    else failed += 1
  }
  const reads: Promise<void>[] = []
  const endMs = performance.now() + SECONDS * 1000
  for (; performance.now() < endMs; await sleep(READ_EVERY_MS)) reads.push(readOne())
  await Promise.all(reads)
  await dispatcher.destroy()
  return { tookMs, failed }
}

/** How long a caller waits for jobs that are not cached, beside a caller that is within all its limits. */
export async function measureWaitingTimes(folder: string): Promise<Row[]> {
  const rows: Row[] = []
  for (const delayMs of CDF_DELAYS_MS) {
    let limitMs = Number.POSITIVE_INFINITY
    for (const [name, abuse] of Object.entries(ABUSES)) {
      const checkout = await startCheckout(folder, delayMs)
      const stop = await abuse(checkout)
      const { tookMs, failed } = await readNewJobs(checkout)
      await stop()
      await checkout.end()
      const row = {
        what: `new job, CDF takes ${delayMs} ms, ${name}`,
        result: `${median(tookMs).toFixed(0)} (${quantile(tookMs, 0.95).toFixed(0)}) ms, ${failed} of ${failed + tookMs.length} failed`,
      }
      if (name === 'undisturbed') {
        limitMs = 2 * median(tookMs) + delayMs
        rows.push(row)
      } else {
        const goal = `median ≤ ${limitMs.toFixed(0)} ms, 0 failed`
        rows.push({ ...row, goal, holds: median(tookMs) <= limitMs && failed === 0 })
      }
    }
  }
  return rows
}
