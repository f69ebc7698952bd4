import { setTimeout as sleep } from 'node:timers/promises'
import { lasting, SCORES, type SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import { type CdfRead, gapsOf, recordReads } from '../../test/support/cdf-reads.ts'
import { jobIds as allJobIds } from '../servers/completed-job.ts'
import type { Sample } from '../support/measured-service.ts'
import { check, kib, line, spread } from '../support/report.ts'
import { quantile } from '../support/statistics.ts'
import type { CallersReport, Watcher } from './callers.ts'
import { stateKey } from './job-state.ts'
import { checkResponses, JOBS, jobIds, someJobs, startStage } from './stage.ts'

const STREAMS = 5_000
/** The first streams follow this many jobs each. */
const MULTIPLEXED = { streams: 50, jobs: 20 }
const WAITERS = 5_000
const WATCHERS = STREAMS + WAITERS

/**
 * When the jobs change, in milliseconds after all watchers are connected: first the even jobs, each at its own times, then
 * the odd ones, so that every waiter has one wait of 25 s without a change. The service reads a watched job every 5 s at
 * least, so it sees all changes that are further apart.
 */
const CHANGES = { evenMs: 1_000, oddMs: 25_000, everyMs: 6_000, times: 3 }
const DONE = { fromMs: 47_000, withinMs: 4_000 }
/** Between the changes of the even and of the odd jobs. */
const QUIET_MS = 24_000
/** More than the rest of the changes takes. */
const REST_MS = 45_000
const READ_EVERY_MS = 100
/** Streams that are opened before the first sample, so that compiled code and pools are not counted. */
const WARM_UP_STREAMS = 200

const LIMITS = {
  /** The cache keeps a response for 1 s; timers and sockets are a little early or late. */
  minGapMs: 950,
  /** From CDF's response, when the service knows the change. */
  deliveryMs: 1_000,
  /** Of heap and Buffers, and of RSS. */
  bytesPerWatcher: 40 * 1024,
  /** 99th percentile. The service itself calls its event loop overloaded beyond this delay. */
  cachedReadMs: 250,
}

/** Reads a cached job at a fixed interval while other work runs. */
function cachedReader(read: () => Promise<number>) {
  const tookMs: number[] = []
  const failures: unknown[] = []
  const readOnce = async () => {
    const startMs = performance.now()
    const status = await read().catch((error: unknown) => error)
    tookMs.push(performance.now() - startMs)
    if (status !== 200) failures.push(status)
  }
  const during = async <T>(work: Promise<T>): Promise<T> => {
    const reads: Promise<void>[] = []
    const timer = setInterval(() => reads.push(readOnce()), READ_EVERY_MS)
    const result = await work
    clearInterval(timer)
    await Promise.all(reads)
    return result
  }
  return { tookMs, failures, during }
}

/** A job that is Queued, then Running with several changes, then Completed. */
function changingJob(jobId: string, number: number): SimulatedJob {
  const share = number / JOBS
  const { evenMs, oddMs, everyMs, times } = CHANGES
  const firstMs = (number % 2 === 0 ? evenMs : oddMs) + share * everyMs
  const changes = Array.from({ length: times }, (_, time) => ({
    afterMs: Math.round(firstMs + time * everyMs),
    status: 'Running',
  }))
  const doneMs = Math.round(DONE.fromMs + share * DONE.withinMs)
  const steps: SimulatedJob['steps'] = [
    { afterMs: 0, status: 'Queued' },
    ...changes,
    { afterMs: doneMs, status: 'Completed', with: SCORES },
  ]
  return { ...lasting(jobId, ''), steps }
}

/** Streams and waiting requests, alternating. */
function makeWatchers(): Watcher[] {
  return Array.from({ length: WATCHERS }, (_, number) => {
    const index = Math.floor(number / 2)
    if (number % 2 === 1) return { waitsFor: jobIds[index % JOBS] as string }
    return { streams: someJobs(index, index < MULTIPLEXED.streams ? MULTIPLEXED.jobs : 1) }
  })
}

/** The jobs of which a watcher receives every change. */
function jobsOf(watcher: Watcher): string[] {
  if ('streams' in watcher) return watcher.streams
  return 'waitsFor' in watcher ? [watcher.waitsFor] : []
}

function checkReads(reads: CdfRead[]): void {
  const { gapsMs, overlaps } = gapsOf(reads)
  const leastMs = quantile(gapsMs, 0)
  check(overlaps === 0, `${reads.length} requests to CDF, ${overlaps} overlaps of one job`)
  check(
    leastMs >= LIMITS.minGapMs,
    `time between requests for a job: median ${quantile(gapsMs, 0.5).toFixed(0)}, ` +
      `least ${leastMs.toFixed(0)} ms (limit ${LIMITS.minGapMs})`,
  )
}

/** @param createdMs when the jobs took their first state, which is not a change */
function checkDelivery(
  createdMs: number,
  reads: CdfRead[],
  watchers: Watcher[],
  received: CallersReport['received'],
) {
  const watchersOf = new Map<string, number>()
  for (const watcher of watchers) {
    for (const jobId of jobsOf(watcher)) watchersOf.set(jobId, (watchersOf.get(jobId) ?? 0) + 1)
  }
  const changes = new Map<string, CdfRead>()
  for (const read of reads) {
    const state = stateKey(read.jobId, JSON.parse(read.body).statusTime)
    if (state !== stateKey(read.jobId, createdMs) && !changes.has(state)) changes.set(state, read)
  }
  const delaysMs: number[] = []
  let missing = 0
  for (const [state, { jobId, sentMs }] of changes) {
    const times = received.get(state) ?? []
    missing += Math.abs((watchersOf.get(jobId) ?? 0) - times.length)
    for (const timeMs of times) delaysMs.push(timeMs - sentMs)
  }
  const expected = JOBS * (CHANGES.times + 1)
  check(changes.size === expected, `${changes.size} of ${expected} changes read by the service`)
  check(missing === 0, `${delaysMs.length} changes delivered, ${missing} missing`)
  check(
    quantile(delaysMs, 1) <= LIMITS.deliveryMs,
    `delivered after ${spread(delaysMs)} (limit ${LIMITS.deliveryMs})`,
  )
}

function checkMemory(when: string, before: Sample, after: Sample): void {
  const [used, rss] = [(after.used - before.used) / WATCHERS, (after.rss - before.rss) / WATCHERS]
  check(
    Math.max(used, rss) < LIMITS.bytesPerWatcher,
    `each watcher ${when}: ${kib(used)} of heap and Buffers, ${kib(rss)} of RSS ` +
      `(limit ${kib(LIMITS.bytesPerWatcher)})`,
  )
}

/** 10,000 callers watch 100 jobs that change. */
export async function watchChanges(): Promise<void> {
  const createdMs = Date.now()
  // CDF's clock starts once all watchers are connected.
  let startMs = Number.POSITIVE_INFINITY
  const now = () => createdMs + Math.max(0, Date.now() - startMs)
  const [doneId = '', warmUpId = ''] = allJobIds.slice(JOBS)
  const otherJobs = [lasting(doneId, 'Completed', SCORES), lasting(warmUpId, 'Running')]
  const stage = await startStage([...otherJobs, ...jobIds.map(changingJob)], { now })
  const { target, order, sample } = stage
  const warmUpIds = Array<string>(WARM_UP_STREAMS).fill(warmUpId)
  await order({ kind: 'wave', target, jobIds: warmUpIds, from: '127.0.0.1', byReset: true })

  const reads = recordReads(stage.simulator.cdf)
  const reader = cachedReader(() => stage.read(doneId))
  const watchers = makeWatchers()
  const before = await sample()
  const openedMs = performance.now()
  const secondsSinceOpened = () => ((performance.now() - openedMs) / 1000).toFixed(1)
  await reader.during(order({ kind: 'watch', target, watchers }))
  line(
    `${STREAMS} streams and ${WAITERS} waiting requests over ${JOBS} jobs, connected after ${secondsSinceOpened()} s`,
  )
  const early = await sample()
  startMs = Date.now()
  await reader.during(sleep(QUIET_MS))
  const late = await sample()
  const report = await reader.during(order({ kind: 'report', withinMs: REST_MS }))
  const seconds = secondsSinceOpened()
  const after = await sample()
  await stage.end()

  const cpuSeconds = after.cpuSeconds - before.cpuSeconds
  line(`all done after ${seconds} s, ${cpuSeconds.toFixed(1)} s of CPU time of the service`)
  checkResponses(report)
  checkReads(reads.filter(({ jobId }) => jobId !== warmUpId && jobId !== doneId))
  checkDelivery(createdMs, reads, watchers, report.received)
  checkMemory('before the first change', before, early)
  checkMemory('after 150 changes', before, late)
  const { tookMs, failures } = reader
  check(failures.length === 0, `${tookMs.length} cached reads, ${failures.length} failed`)
  check(
    quantile(tookMs, 0.99) <= LIMITS.cachedReadMs,
    `cached reads take ${spread(tookMs)} (limit of p99 ${LIMITS.cachedReadMs})`,
  )
}
