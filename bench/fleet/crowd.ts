import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { lasting, SCORES, type SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { type CdfRead, gapsOf, recordReads } from '../../test/support/cdf-reads.ts'
import { type Owner, startRedis } from '../../test/support/redis-server.ts'
import { jobIds as allJobIds } from '../servers/completed-job.ts'
import { ask, endWithProcess, startServiceProcess } from '../support/measured-service.ts'
import { check, line, spread } from '../support/report.ts'
import { quantile } from '../support/statistics.ts'
import type { CallersReport, Order, Watcher } from '../watchers/callers.ts'
import { stateKey } from '../watchers/job-state.ts'

const REPLICAS = 3
const JOBS = 200
const jobIds = allJobIds.slice(0, JOBS)
const warmUpId = allJobIds[JOBS] as string
/** Each job has this many watchers of each kind: streams, waits and regular requests. */
const WATCHERS_PER_JOB = 5
const WATCHERS = 3 * JOBS * WATCHERS_PER_JOB

/** The changes of each job, in milliseconds after all watchers are connected. Each job has its own times. */
const CHANGES = { firstMs: 2_000, everyMs: 6_000, times: 4 }
const DONE_MS = CHANGES.firstMs + CHANGES.everyMs * (CHANGES.times + 1)
/** More than the last changes and the longest wait take. */
const REST_MS = 20_000

const LIMITS = {
  /** The cache keeps a response for 1 s; timers and sockets are a little early or late. */
  minGapMs: 950,
  /** Reads for each job and interval. */
  readsPerInterval: 1.05,
  /** From the response of CDF to the watcher of another replica. */
  otherReplicas: { medianMs: 100, maxMs: 1_000 },
}

function changingJob(jobId: string, number: number): SimulatedJob {
  const { firstMs, everyMs, times } = CHANGES
  const offsetMs = Math.round((number / JOBS) * everyMs)
  const changes = Array.from({ length: times }, (_, time) => ({
    afterMs: firstMs + offsetMs + time * everyMs,
    status: 'Running',
  }))
  const done = { afterMs: DONE_MS + offsetMs, status: 'Completed', with: SCORES }
  return { ...lasting(jobId, ''), steps: [{ afterMs: 0, status: 'Queued' }, ...changes, done] }
}

/** The watchers of one replica: each job is watched in each way on at least one replica, and on all of them. */
function watchersOf(replica: number): Watcher[] {
  return jobIds.flatMap((jobId, job) =>
    Array.from({ length: WATCHERS_PER_JOB }, (_, index) => index)
      .filter((index) => (job + index) % REPLICAS === replica)
      .flatMap((): Watcher[] => [{ streams: [jobId] }, { waitsFor: jobId }, { polls: jobId }]),
  )
}

function checkReads(reads: readonly CdfRead[]): void {
  const { gapsMs, overlaps } = gapsOf(reads)
  const early = gapsMs.filter((gapMs) => gapMs < LIMITS.minGapMs).length
  const perInterval = reads.length / (reads.length - early)
  check(
    perInterval <= LIMITS.readsPerInterval,
    `${reads.length} reads of CDF, ${perInterval.toFixed(3)} for each job and interval ` +
      `(limit ${LIMITS.readsPerInterval}); least time between two ${quantile(gapsMs, 0).toFixed(0)} ms`,
  )
  check(overlaps === 0, `${overlaps} reads of a job while another one was in flight`)
}

/** @param createdMs when the jobs took their first state, which is not a change */
function checkDelivery(
  createdMs: number,
  reads: readonly CdfRead[],
  reports: readonly CallersReport[],
): void {
  const knownAtMs = new Map<string, number>()
  for (const { jobId, body, sentMs } of reads) {
    const state = stateKey(jobId, JSON.parse(body).statusTime)
    if (state !== stateKey(jobId, createdMs) && !knownAtMs.has(state)) knownAtMs.set(state, sentMs)
  }
  const own: number[] = []
  const others: number[] = []
  let missing = 0
  for (const [state, readMs] of knownAtMs) {
    const jobId = state.split(' ')[0] as string
    const byReplica = reports.map(({ received }, replica) => {
      const times = received.get(state) ?? []
      const expected = watchersOf(replica).filter(
        (watcher) => JSON.stringify(watcher).includes(jobId) && !('polls' in watcher),
      ).length
      missing += Math.abs(expected - times.length)
      return times.map((timeMs) => timeMs - readMs)
    })
    // The replica that has read the job tells its own watchers before the others.
    const [reader = [], ...rest] = byReplica.sort((a, b) => Math.min(...a) - Math.min(...b))
    own.push(...reader)
    others.push(...rest.flat())
  }
  const expected = JOBS * (CHANGES.times + 1)
  check(knownAtMs.size === expected, `${knownAtMs.size} of ${expected} changes read`)
  check(missing === 0, `${own.length + others.length} changes delivered, ${missing} missing`)
  line(`        watchers of the replica that read: ${spread(own)}`)
  const { medianMs, maxMs } = LIMITS.otherReplicas
  check(
    quantile(others, 0.5) < medianMs && quantile(others, 1) < maxMs,
    `watchers of the other replicas: ${spread(others)} (limits ${medianMs} and ${maxMs} ms)`,
  )
}

/** 3,000 callers watch 200 jobs through three replicas. */
export async function watchThroughReplicas(t: Owner): Promise<void> {
  const createdMs = Date.now()
  // CDF's clock starts once all watchers are connected.
  let startMs = Number.POSITIVE_INFINITY
  const simulator = await startSimulator({
    now: () => createdMs + Math.max(0, Date.now() - startMs),
  })
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(warmUpId, 'Completed', SCORES))
  for (const [number, jobId] of jobIds.entries()) simulator.cdf.addJob(changingJob(jobId, number))
  const { url: REDIS_URL } = await startRedis(t)
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, async () => {
      const service = await startServiceProcess(simulator, warmUpId, { REDIS_URL })
      const callers = fork(new URL('../watchers/callers.ts', import.meta.url), {
        serialization: 'advanced',
      })
      t.teardown(endWithProcess(callers))
      t.teardown(service.kill)
      return { ...service, order: (order: Order) => ask<CallersReport>(callers, order) }
    }),
  )
  const reads = recordReads(simulator.cdf)
  const before = await Promise.all(replicas.map(({ sample }) => sample()))
  const openedMs = performance.now()
  for (const [replica, { order, target }] of replicas.entries())
    await order({ kind: 'watch', target, watchers: watchersOf(replica) })
  const connectedMs = Math.round(performance.now() - openedMs)
  line(`${WATCHERS} watchers, ${JOBS} jobs, ${REPLICAS} replicas, connected in ${connectedMs} ms`)
  startMs = Date.now()
  await sleep(DONE_MS + CHANGES.everyMs)
  const reports = await Promise.all(
    replicas.map(({ order }) => order({ kind: 'report', withinMs: REST_MS })),
  )
  const after = await Promise.all(replicas.map(({ sample }) => sample()))
  const cpu = after.map(({ cpuSeconds }, index) => cpuSeconds - (before[index]?.cpuSeconds ?? 0))
  line(`CPU time of the replicas: ${cpu.map((seconds) => seconds.toFixed(1)).join(', ')} s`)
  const commands = (outcome: string) =>
    Promise.all(
      replicas.map(({ metric }) =>
        metric(`cdf_job_quality_redis_commands_total{outcome="${outcome}"}`),
      ),
    )
  const [successes, failures] = [await commands('success'), await commands('failure')]
  line(`commands to Redis: ${successes.join(', ')}; failed: ${failures.join(', ')}`)
  for (const { statuses, faults, watching } of reports) {
    const isGood = [...statuses.keys()].every((status) => status === 200 || status === 304)
    const counts = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
    for (const fault of faults.slice(0, 5)) line(`        ${fault.slice(0, 90)}`)
    check(isGood && faults.length === 0 && watching === 0, `responses ${counts}`)
  }
  const ofJobs = reads.filter(({ jobId }) => jobId !== warmUpId)
  checkReads(ofJobs)
  checkDelivery(createdMs, ofJobs, reports)
}
