import { Agent, request } from 'undici'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import type { Owner } from '../../test/support/redis-server.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import { jobIds, pathOf } from '../servers/completed-job.ts'
import type { ServiceProcess } from '../support/measured-service.ts'
import { startServiceProcess } from '../support/measured-service.ts'
import { check } from '../support/report.ts'
import { median } from '../support/statistics.ts'

const ROUNDS = 5
const HITS_PER_ROUND = 10_000
const MISSES = 200
const LIMITS = {
  /** Of the CPU time for a hit. The rounds of one service differ as much. */
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
  const alone = await startServiceProcess(simulator, first)
  const shared = await startServiceProcess(simulator, first, { REDIS_URL })
  t.teardown(alone.kill)
  t.teardown(shared.kill)

  const hits = Array.from({ length: HITS_PER_ROUND }, () => first)
  const microseconds = async (service: ServiceProcess) => {
    const before = await service.sample()
    await readAll(service, hits)
    const after = await service.sample()
    return ((after.cpuSeconds - before.cpuSeconds) / HITS_PER_ROUND) * 1e6
  }
  const costs = { alone: [] as number[], shared: [] as number[] }
  for (let round = 0; round <= ROUNDS; round += 1) {
    const measured = { alone: await microseconds(alone), shared: await microseconds(shared) }
    // The first round compiles the code.
    if (round === 0) continue
    costs.alone.push(measured.alone)
    costs.shared.push(measured.shared)
  }
  const [without, withRedis] = [Math.min(...costs.alone), Math.min(...costs.shared)]
  check(
    withRedis <= without * LIMITS.hit,
    `CPU time of a hit: ${without.toFixed(1)} µs without Redis, ${withRedis.toFixed(1)} µs with it ` +
      `(limit ${LIMITS.hit} times)`,
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
