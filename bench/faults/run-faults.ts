import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { skipWithoutRedis } from '../../test/support/redis-server.ts'
import { check, line } from '../support/report.ts'
import type { Fault } from './faults.ts'
import { FAULTS } from './faults.ts'
import { CHANGE_EVERY_MS, FaultLoad } from './load.ts'
import type { Replica } from './replicas.ts'
import { startReplica } from './replicas.ts'

/**
 * `npm run bench:faults`: three replicas under load while Redis fails, one fault after the other. Takes seven minutes; needs
 * redis-server; exits with 1 if a request fails, a caller waits longer than the time limit for Redis, a watcher misses a
 * change, or the replicas do not share results again within 5 s.
 *
 *     npm run bench:faults -- --only cluster
 */
const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })

const REPLICAS = 3
/** Requests before the fault show how long they take on this machine. */
const BEFORE_MS = 6_000
const AFTER_MS = 3_000
const LIMITS = { delayMs: 60, healedMs: 5_000 }

/** Milliseconds until all replicas work with Redis, and share a new result. */
async function untilHealed(simulator: Simulator, replicas: readonly Replica[]): Promise<number> {
  const startedMs = performance.now()
  for (let number = 1_000_000; performance.now() - startedMs < 20_000; number += 1) {
    const available = await Promise.all(replicas.map(({ isAvailable }) => isAvailable()))
    if (available.every(Boolean)) {
      simulator.cdf.addJob(lasting(`${number}`, 'Completed', SCORES))
      const statuses: (string | null)[] = []
      for (const { url } of replicas) {
        const { headers } = await fetch(`${url}/jobs/${number}/quality`)
        statuses.push(headers.get('cache-status'))
        await sleep(20)
      }
      if (statuses.slice(1).every((status) => status?.endsWith('hit')))
        return performance.now() - startedMs
    }
    await sleep(20)
  }
  return Number.POSITIVE_INFINITY
}

async function run({ name, start, preload, inject, maxDelayMs }: Fault): Promise<void> {
  const cleanups: (() => unknown)[] = []
  const t = { teardown: (cleanup: () => unknown) => cleanups.push(cleanup) }
  const createdMs = Date.now()
  let isCreating = true
  const simulator = await startSimulator({ now: () => (isCreating ? createdMs : Date.now()) })
  t.teardown(() => simulator.close())
  FaultLoad.addJobs(simulator)
  isCreating = false
  const engine = await start(t, REPLICAS)
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, (_, replica) => {
      const environment = engine.environment(replica)
      const module = preload?.(replica)
      return startReplica(t, simulator, { environment, ...(module && { preload: module }) })
    }),
  )
  await untilHealed(simulator, preload ? replicas.slice(1) : replicas)
  const load = new FaultLoad()
  for (const replica of replicas) load.add(replica)
  await sleep(2_000)
  const beforeMs = performance.now()
  const watchedFromMs = Date.now()
  await sleep(BEFORE_MS)
  const injectedMs = performance.now()
  await inject({ engine, replicas, load })
  // Two versions share everything but the results.
  const healedMs = await untilHealed(simulator, preload ? replicas.slice(1) : replicas)
  await sleep(AFTER_MS)
  // Each change until here has been polled when the load stops.
  const watchedToMs = Date.now()
  await sleep(CHANGE_EVERY_MS)
  await load.stop()

  const loads = [...load.loads.values()]
  const readings = loads.flatMap((each) => each.readings)
  const slowest = (fromMs: number, toMs: number) =>
    readings
      .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
      .toSorted((a, b) => b.tookMs - a.tookMs)
  const [usual] = slowest(beforeMs, injectedMs)
  const slow = slowest(injectedMs - 100, Number.POSITIVE_INFINITY)
  const [usualMs, slowestMs] = [usual?.tookMs ?? 0, slow[0]?.tookMs ?? 0]
  const failures = loads.flatMap((each) => each.failures)
  const changes = load.changesBetween(createdMs, watchedFromMs, watchedToMs)
  const missed = loads.flatMap(({ heard }) => changes.filter((change) => !heard.has(change)))
  const delayMs = Math.max(0, slowestMs - usualMs)
  const isGood =
    failures.length === 0 &&
    missed.length === 0 &&
    delayMs <= (maxDelayMs ?? LIMITS.delayMs) &&
    healedMs <= LIMITS.healedMs
  check(
    isGood,
    [
      name.padEnd(38),
      `${readings.length} requests`.padStart(14),
      `${failures.length} failed`.padStart(9),
      `${usualMs.toFixed(0)} → ${slowestMs.toFixed(0)} ms`.padStart(14),
      `${missed.length} of ${changes.length * loads.length} changes missed`.padStart(25),
      `healed in ${healedMs.toFixed(0)} ms`.padStart(20),
    ].join('  '),
  )
  for (const failure of new Set(failures)) line(`        ${failure.slice(0, 100)}`)
  if (!isGood) {
    for (const { logs } of replicas) line(`        ${logs.join(', ')}`)
    for (const { atMs, tookMs, outcome } of slow.slice(0, 5))
      line(
        `        ${tookMs.toFixed(0)} ms, after ${(atMs - injectedMs).toFixed(0)} ms: ${outcome}`,
      )
  }
  for (const cleanup of cleanups.reverse()) await cleanup()
}

if (skipWithoutRedis) {
  check(false, skipWithoutRedis)
  process.exit()
}
line(`node ${process.version}, load of this machine ${loadavg()[0]?.toFixed(1)}`)
line('        (a → b ms: the slowest request before the fault, and from then on)')
for (const fault of FAULTS.filter(({ name }) => name.includes(values.only))) await run(fault)
process.exit()
