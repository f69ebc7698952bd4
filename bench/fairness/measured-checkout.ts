import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { type Simulator, startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../../test/support/local-server.ts'
import { pathOf } from '../servers/completed-job.ts'
import { ask, endWithProcess } from '../support/measured-service.ts'
import { untilStatus } from '../support/processes.ts'

/** Runs in the process of the service and answers each message with a {@link Memory}. */
const PROBE = `process.on('message', async () => {
  for (let times = 0; times < 3; times += 1) { gc(); await new Promise(setImmediate) }
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send({ rss, used: heapUsed + external })
})
process.on('disconnect', () => process.exit())`

/** Memory of the service, after garbage collection. */
export interface Memory {
  rss: number
  /** Heap and Buffers. */
  used: number
}

/** One line of the report. */
export interface Row {
  what: string
  result: string
  goal?: string
  /** Absent without a goal. */
  holds?: boolean
}

/** The service of a checkout in its own process with default limits, and the simulator in this process. */
export interface MeasuredCheckout {
  simulator: Simulator
  url: string
  metricsPort: number
  /** Adds a job to CDF whose status never changes; returns its id. */
  addJob: (status: 'Completed' | 'Running') => string
  /** The headers of a caller. Each name is a caller with its own limits. */
  headersOf: (caller: string) => Promise<{ authorization: string }>
  memory: () => Promise<Memory>
  end: () => Promise<void>
}

/**
 * Starts a checkout.
 * @param cdfDelayMs the time that CDF takes for a response
 */
export async function startCheckout(folder: string, cdfDelayMs: number): Promise<MeasuredCheckout> {
  const simulator = await startSimulator()
  const { cdf, identityProvider } = simulator
  if (cdfDelayMs > 0) cdf.faults.standing = { delayMs: cdfDelayMs }
  const [port, metricsPort] = [await freePort(), await freePort()]
  const probe = `data:text/javascript,${encodeURIComponent(PROBE)}`
  const server = join(folder, 'src/server.ts')
  const child = spawn(process.execPath, ['--expose-gc', '--import', probe, server], {
    env: { ...simulator.environment, PORT: `${port}`, METRICS_PORT: `${metricsPort}` },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const kill = endWithProcess(child)
  const addJob = (status: 'Completed' | 'Running') => {
    const jobId = randomUUID()
    cdf.addJob(lasting(jobId, status, status === 'Completed' ? SCORES : {}))
    return jobId
  }
  const headersOf = async (caller: string) => ({
    authorization: `Bearer ${await identityProvider.signCallerToken({ sub: caller })}`,
  })
  const url = `http://127.0.0.1:${port}`
  await untilStatus(`${url}${pathOf(addJob('Completed'))}`, 200, await headersOf('first'))
  const end = async () => {
    kill()
    await simulator.close()
  }
  return {
    simulator,
    url,
    metricsPort,
    addJob,
    headersOf,
    memory: () => ask<Memory>(child, {}),
    end,
  }
}

/** The query of a list or of a stream. */
export const queryOf = (jobIds: readonly string[]) =>
  jobIds.map((jobId) => `jobId=${jobId}`).join('&')

/**
 * Opens a stream for each list of jobs, and keeps them open.
 * @returns a function that disconnects all of them
 */
export async function openStreams(
  { url, headersOf }: MeasuredCheckout,
  streams: readonly { caller: string; jobIds: readonly string[] }[],
): Promise<() => Promise<void>> {
  const dispatcher = new Agent()
  for (const { caller, jobIds } of streams) {
    const headers = await headersOf(caller)
    const path = `/jobs/quality/events?${queryOf(jobIds)}`
    const { statusCode, body } = await request(`${url}${path}`, { dispatcher, headers })
    if (statusCode !== 200) throw new Error(`a stream of ${jobIds.length} jobs: ${statusCode}`)
    body.on('error', () => {}).resume()
  }
  return () => dispatcher.destroy()
}
