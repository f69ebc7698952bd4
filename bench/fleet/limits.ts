import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { greatestConcurrency, recordReads } from '../../test/support/cdf-reads.ts'
import { type Owner, startRedis } from '../../test/support/redis-server.ts'
import { pathOf } from '../servers/completed-job.ts'
import { type ServiceProcess, startServiceProcess } from '../support/measured-service.ts'
import { check } from '../support/report.ts'

const REPLICAS = 3
const MAX_CONCURRENCY = 8
/** Requests in flight for each replica, so that calls to CDF always wait for a slot. */
const CALLERS = 20
const CDF_MS = 20
const PAUSES = 10
const COOL_DOWN_SECONDS = 2
/** After this time, no replica begins a call that another replica's 429 forbids. */
const NOTICED_MS = 100

/** The limits of the whole fleet while it is busy, replicas come and go, and CDF throttles. */
export async function measureLimits(t: Owner): Promise<void> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const { cdf } = simulator
  const warmUpId = '1'
  cdf.addJob(lasting(warmUpId, 'Running'))
  cdf.faults.standing = { delayMs: CDF_MS }
  const { url: REDIS_URL } = await startRedis(t)
  const stopped = new AbortController()
  const dispatcher = new Agent()
  let jobs = 1_000_000
  /** Reads unknown jobs, each once. */
  const read = async ({ target }: ServiceProcess) => {
    const headers = { authorization: `Bearer ${target.token}` }
    while (!stopped.signal.aborted) {
      const url = `http://127.0.0.1:${target.port}${pathOf(String(jobs++))}`
      const answer = await request(url, { headers, dispatcher }).catch(() => undefined)
      await answer?.body.dump()
      // Answered immediately during a cool-down.
      if (answer?.statusCode !== 404) await sleep(20)
    }
  }
  const join = async () => {
    const service = await startServiceProcess(simulator, warmUpId, {
      REDIS_URL,
      UPSTREAM_MAX_CONCURRENCY: `${MAX_CONCURRENCY}`,
      LOG_LEVEL: 'error',
    })
    t.teardown(service.kill)
    for (let caller = 0; caller < CALLERS; caller += 1) read(service)
    return service
  }
  const reads = recordReads(cdf)
  for (let replica = 0; replica < REPLICAS; replica += 1) await join()
  await sleep(2_000)
  const joined = await join()
  await sleep(2_000)
  joined.kill()
  await sleep(5_000)
  const calls = reads.length
  check(
    greatestConcurrency(reads) <= MAX_CONCURRENCY,
    `${calls} calls to CDF, ${greatestConcurrency(reads)} at the same time, while a replica came and was killed ` +
      `(limit ${MAX_CONCURRENCY})`,
  )

  let latestMs = 0
  let late = 0
  for (let pause = 0; pause < PAUSES; pause += 1) {
    const from = reads.length
    cdf.faults.next({ status: 429, headers: { 'retry-after': `${COOL_DOWN_SECONDS}` } })
    const throttled = () => reads.slice(from).find(({ status }) => status === 429)
    while (!throttled()) await sleep(10)
    const throttledMs = throttled()?.sentMs ?? 0
    await sleep(COOL_DOWN_SECONDS * 1_000 - 100)
    const after = reads.map(({ startMs }) => startMs - throttledMs).filter((ms) => ms > 0)
    latestMs = Math.max(latestMs, ...after)
    late += after.filter((ms) => ms > NOTICED_MS).length
    await sleep(1_000)
  }
  stopped.abort()
  check(
    late === 0,
    `${PAUSES} times a 429: the last call of another replica began ${latestMs.toFixed(0)} ms later ` +
      `(limit ${NOTICED_MS} ms)`,
  )
  await dispatcher.destroy()
}
