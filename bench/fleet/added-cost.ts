import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { type Owner, startRedis } from '../../test/support/redis-server.ts'
import { jobIds, pathOf } from '../servers/completed-job.ts'
import { type ServiceProcess, startServiceProcess } from '../support/measured-service.ts'
import { check, line } from '../support/report.ts'
import { median, quantile } from '../support/statistics.ts'

/** Processes of each kind, because two processes that do the same differ by some percent. */
const PROCESSES = 3
const ROUNDS = 8
const HITS_PER_ROUND = 10_000
const CONNECTIONS = 10
const REST_MS = 3_000
const MISSES = 200
const LIMITS = {
  /** Of the CPU time for a hit, for a quarter of the rounds. Those of two equal services are between 0.9 and 1.15. */
  hit: 1.05,
  missMs: 1,
}

/** Reads jobs one after the other; the times in milliseconds. */
async function readAll({ target }: ServiceProcess, ids: readonly string[]): Promise<number[]> {
  const dispatcher = new Agent({ connections: 1 })
  const headers = { authorization: `Bearer ${target.token}` }
  const times: number[] = []
  for (const jobId of ids) {
    const startedMs = performance.now()
    const url = `http://127.0.0.1:${target.port}${pathOf(jobId)}`
    const { statusCode, body } = await request(url, { dispatcher, headers })
    await body.dump()
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    times.push(performance.now() - startedMs)
  }
  await dispatcher.close()
  return times
}

/** What Redis adds to a hit, in CPU time, and to a miss, in time. */
export async function measureAddedCost(t: Owner): Promise<void> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  for (const jobId of jobIds) simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  const { url: REDIS_URL } = await startRedis(t)
  const [first = ''] = jobIds
  const hits = Array.from({ length: HITS_PER_ROUND / CONNECTIONS }, () => first)
  /** The CPU time of some work, and how long it takes; seconds. */
  const measure = async ({ sample }: ServiceProcess, work: () => Promise<unknown>) => {
    const [startedMs, before] = [performance.now(), await sample()]
    await work()
    const [after, endedMs] = [await sample(), performance.now()]
    return { cpu: after.cpuSeconds - before.cpuSeconds, seconds: (endedMs - startedMs) / 1000 }
  }
  const restMs: Record<'alone' | 'shared', number[]> = { alone: [], shared: [] }
  /** CPU time per second without requests: with Redis, a replica sends some commands all the time. */
  const measureRest = async (service: ServiceProcess, kind: keyof typeof restMs) => {
    const { cpu, seconds } = await measure(service, () => sleep(REST_MS))
    restMs[kind].push((1000 * cpu) / seconds)
    return cpu / seconds
  }
  const costOfHits = async (service: ServiceProcess, rest: number) => {
    const { cpu, seconds } = await measure(service, () =>
      Promise.all(Array.from({ length: CONNECTIONS }, () => readAll(service, hits))),
    )
    return cpu - rest * seconds
  }
  const start = async (environment = {}) => {
    const service = await startServiceProcess(simulator, first, environment)
    t.teardown(service.kill)
    return service
  }
  const ratios: number[] = []
  let [alone, shared] = [await start(), await start({ REDIS_URL })]
  for (let pair = 1; ; pair += 1) {
    const rest = {
      alone: await measureRest(alone, 'alone'),
      shared: await measureRest(shared, 'shared'),
    }
    for (let round = 0; round <= ROUNDS; round += 1) {
      const before = await costOfHits(alone, rest.alone)
      const between = await costOfHits(shared, rest.shared)
      const after = await costOfHits(alone, rest.alone)
      // The first round compiles the code.
      if (round > 0) ratios.push((2 * between) / (before + after))
    }
    if (pair === PROCESSES) break
    alone.kill()
    shared.kill()
    ;[alone, shared] = [await start(), await start({ REDIS_URL })]
  }
  const [lower, ratio, upper] = [0.25, 0.5, 0.75].map((part) => quantile(ratios, part))
  check(
    Number(lower) <= LIMITS.hit,
    `CPU time of a hit: ${ratio?.toFixed(2)} times that without Redis ` +
      `(quartiles ${lower?.toFixed(2)} and ${upper?.toFixed(2)}; limit ${LIMITS.hit} for the lower one)`,
  )

  line(
    `        at rest: ${median(restMs.alone).toFixed(1)} ms of CPU time per second without Redis, ` +
      `${median(restMs.shared).toFixed(1)} ms with it`,
  )

  // Alternating, so that other work on this machine affects both alike.
  const times = { alone: [] as number[], shared: [] as number[] }
  for (const jobId of jobIds.slice(1, 2 * MISSES + 1)) {
    times.alone.push(...(await readAll(alone, [jobId])))
    times.shared.push(...(await readAll(shared, [jobId])))
  }
  const [missMs, sharedMs] = [median(times.alone), median(times.shared)]
  check(
    sharedMs - missMs < LIMITS.missMs,
    `a miss takes ${missMs.toFixed(2)} ms without Redis, ${sharedMs.toFixed(2)} ms with it ` +
      `(median of ${times.alone.length}; limit ${LIMITS.missMs} ms more)`,
  )
}
