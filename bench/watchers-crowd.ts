import { setTimeout as sleep } from 'node:timers/promises'
import type { CdfSimulator } from '../simulator/cdf-simulator.ts'
import type { SimulatedJob } from '../simulator/simulated-job.ts'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { jobIdOf } from '../test/helper.ts'
import type { LoadReport, Watcher } from './watchers-load.ts'
import { preciseNow, stateKey } from './watchers-load.ts'
import { check, checkAnswers, kib, line, quantile, spread } from './watchers-report.ts'
import type { Sample } from './watchers-stage.ts'
import { JOBS, jobIds, someJobs, startStage } from './watchers-stage.ts'

const STREAMS = 5_000
/** Of these streams, so many follow so many jobs each. */
const MULTIPLEXED = { streams: 50, jobs: 20 }
const WAITERS = 5_000
const WATCHERS = STREAMS + WAITERS

/**
 * When the jobs change, in milliseconds after everybody is there: first the even ones, each at times of its own, then
 * the odd ones, so that everybody once waits for 25 s in vain; at last all are done. A watched job is asked for every
 * 5 s at least, so that the service sees all changes that are further apart.
 */
const CHANGES = { evenMs: 1_000, oddMs: 25_000, everyMs: 6_000, times: 3 }
const DONE = { fromMs: 47_000, withinMs: 4_000 }
/** Between the changes of the even and of the odd jobs. */
const QUIET_MS = 24_000
/** More than what is left of it. */
const REST_MS = 45_000
const PLAIN_READ_EVERY_MS = 100
/** So many streams of another job before anything is counted, so that code and pools are there. */
const WARM_UP_STREAMS = 200

const LIMITS = {
  /** The cache keeps an answer for 1 s; timers and sockets take and lose a little. */
  minGapMs: 950,
  /** From CDF's answer, which is when the service knows. */
  toldMs: 1_000,
  /** Of heap and Buffers, and of RSS. */
  bytesPerWatcher: 40 * 1024,
  /** For 99 of 100 cached answers: beyond, the service itself would call its event loop late. */
  plainReadMs: 250,
}

/** One request of the service's for a job, as CDF saw it. */
interface Read {
  jobId: string
  startMs: number
  /** When the answer was with the kernel. */
  sentMs: number
  /** What it told; see {@link stateKey}. */
  state: string
}

/** Every read from now on, with its times. */
function recordReads(cdf: CdfSimulator): Read[] {
  const reads: Read[] = []
  const handle = cdf.handle.bind(cdf)
  cdf.handle = (asked, response) => {
    const jobId = asked.url?.split('/').at(-1) ?? ''
    const read = { jobId, startMs: preciseNow(), sentMs: Number.POSITIVE_INFINITY, state: '' }
    reads.push(read)
    const send = response.end.bind(response) as (body: string) => typeof response
    response.end = ((body: string) => {
      read.state = stateKey(jobId, JSON.parse(body).statusTime)
      return send(body)
    }) as typeof response.end
    response.once('finish', () => {
      read.sentMs = preciseNow()
    })
    return handle(asked, response)
  }
  return reads
}

/** Reads again and again, whether or not the last answer has come, while something else is done. */
function plainReader(read: () => Promise<number>) {
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
    const timer = setInterval(() => reads.push(readOnce()), PLAIN_READ_EVERY_MS)
    const result = await work
    clearInterval(timer)
    await Promise.all(reads)
    return result
  }
  return { tookMs, failures, during }
}

/** A job that is Queued, then Running in several representations, then Completed. */
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

/** Streams and waiting requests, mixed. */
function makeWatchers(): Watcher[] {
  return Array.from({ length: WATCHERS }, (_, number) => {
    const index = Math.floor(number / 2)
    if (number % 2 === 1) return { waitsFor: jobIdOf(index % JOBS) }
    return { streams: someJobs(index, index < MULTIPLEXED.streams ? MULTIPLEXED.jobs : 1) }
  })
}

function checkReads(reads: Read[]): void {
  const gapsMs: number[] = []
  let overlaps = 0
  for (const ofJob of Map.groupBy(reads, ({ jobId }) => jobId).values()) {
    for (const [index, { startMs }] of ofJob.entries()) {
      const before = ofJob[index - 1]
      if (!before) continue
      gapsMs.push(startMs - before.startMs)
      if (startMs < before.sentMs) overlaps += 1
    }
  }
  const leastMs = quantile(gapsMs, 0)
  check(overlaps === 0, `${reads.length} reads of CDF, ${overlaps} during another one of the job`)
  check(
    leastMs >= LIMITS.minGapMs,
    `from one read of a job to the next: median ${quantile(gapsMs, 0.5).toFixed(0)}, ` +
      `least ${leastMs.toFixed(0)} ms (limit ${LIMITS.minGapMs})`,
  )
}

/** @param bornMs when the jobs took their first state, which is no change */
function checkTold(bornMs: number, reads: Read[], watchers: Watcher[], heard: LoadReport['heard']) {
  const audience = new Map<string, number>()
  for (const watcher of watchers) {
    for (const jobId of 'streams' in watcher ? watcher.streams : [watcher.waitsFor])
      audience.set(jobId, (audience.get(jobId) ?? 0) + 1)
  }
  const changes = new Map<string, Read>()
  for (const read of reads) {
    if (read.state !== stateKey(read.jobId, bornMs) && !changes.has(read.state))
      changes.set(read.state, read)
  }
  const delaysMs: number[] = []
  let missing = 0
  for (const [state, { jobId, sentMs }] of changes) {
    const times = heard.get(state) ?? []
    missing += Math.abs((audience.get(jobId) ?? 0) - times.length)
    for (const timeMs of times) delaysMs.push(timeMs - sentMs)
  }
  const expected = JOBS * (CHANGES.times + 1)
  check(changes.size === expected, `${changes.size} of ${expected} changes seen by the service`)
  check(missing === 0, `${delaysMs.length} times somebody heard of one, ${missing} times not`)
  check(
    quantile(delaysMs, 1) <= LIMITS.toldMs,
    `heard after ${spread(delaysMs)} (limit ${LIMITS.toldMs})`,
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

/** 10,000 callers over 100 jobs that change. */
export async function watchAll(): Promise<void> {
  const bornMs = Date.now()
  // CDF's clock stands still until everybody is there.
  let startMs = Number.POSITIVE_INFINITY
  const now = () => bornMs + Math.max(0, Date.now() - startMs)
  const [doneId, otherId] = [jobIdOf(JOBS), jobIdOf(JOBS + 1)]
  const others = [lasting(doneId, 'Completed', SCORES), lasting(otherId, 'Running')]
  const stage = await startStage([...others, ...jobIds.map(changingJob)], { now })
  const { target, order, sample } = stage
  const warmUpIds = Array<string>(WARM_UP_STREAMS).fill(otherId)
  await order({ kind: 'wave', target, jobIds: warmUpIds, from: '127.0.0.1', byReset: true })

  const reads = recordReads(stage.simulator.cdf)
  const reader = plainReader(() => stage.read(doneId))
  const watchers = makeWatchers()
  const before = await sample()
  const openedMs = performance.now()
  await reader.during(order({ kind: 'watch', target, watchers }))
  line(
    `${STREAMS} streams and ${WAITERS} waiting requests over ${JOBS} jobs after ${((performance.now() - openedMs) / 1000).toFixed(1)} s`,
  )
  const early = await sample()
  startMs = Date.now()
  await reader.during(sleep(QUIET_MS))
  const late = await sample()
  const report = await reader.during(order({ kind: 'report', withinMs: REST_MS }))
  const seconds = (performance.now() - openedMs) / 1000
  const after = await sample()
  await stage.end()

  const cpuSeconds = after.cpuSeconds - before.cpuSeconds
  line(`gone after ${seconds.toFixed(0)} s, ${cpuSeconds.toFixed(1)} s of the service's CPU`)
  checkAnswers(report)
  checkReads(reads.filter(({ jobId }) => jobId !== otherId && jobId !== doneId))
  checkTold(bornMs, reads, watchers, report.heard)
  checkMemory('before the first change', before, early)
  checkMemory('after 150 changes', before, late)
  const { tookMs, failures } = reader
  check(failures.length === 0, `${tookMs.length} cached answers, ${failures.length} other than 200`)
  check(
    quantile(tookMs, 0.99) <= LIMITS.plainReadMs,
    `cached answers after ${spread(tookMs)} (limit of p99 ${LIMITS.plainReadMs})`,
  )
}
