import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import type { Simulator, SimulatorOptions } from '../../simulator/upstream/start-simulator.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../../test/support/local-server.ts'
import { pathOf } from '../servers/completed-job.ts'
import { untilStatus } from './processes.ts'
import { check } from './report.ts'

/** Runs in the process of the service and answers each message with a {@link Sample}. */
const PROBE = `process.on('message', async () => {
  for (let times = 0; times < 3; times += 1) { gc(); await new Promise(setImmediate) }
  const { rss, heapUsed, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const resources = process.getActiveResourcesInfo().length
  process.send({ rss, used: heapUsed + external, cpuSeconds: (user + system) / 1e6, resources })
})
process.on('disconnect', () => process.exit())`

/** Resources of the service's process, after garbage collection. */
export interface Sample {
  rss: number
  /** Heap and Buffers. */
  used: number
  cpuSeconds: number
  /** Whatever keeps the event loop alive: sockets, timers, requests. */
  resources: number
  descriptors: number
}

/** Where to send requests, and the access token of a caller. */
export interface Target {
  port: number
  token: string
}

/** The service in its own process. */
export interface ServiceProcess {
  target: Target
  sample: () => Promise<Sample>
  /** The value of a sample of the metrics, such as `x_total{outcome="y"}`; 0 if it does not exist. */
  metric: (name: string) => Promise<number>
  kill: () => void
}

/** The service in its own process, with the simulator in this one. */
export interface MeasuredService extends Omit<ServiceProcess, 'kill' | 'metric'> {
  simulator: Simulator
  end: () => Promise<void>
}

/** Sends a message to another process and waits for the answer; one at a time. */
export async function ask<Answer>(child: ChildProcess, message: object): Promise<Answer> {
  child.send(message)
  const [answer] = await once(child, 'message')
  return answer as Answer
}

/** Ends the benchmark if a process exits too early. Returns a function that ends the process. */
export function endWithProcess(child: ChildProcess): () => void {
  const onExit = () => {
    check(false, 'the service or its callers exited too early')
    process.exit()
  }
  child.once('exit', onExit)
  return () => child.off('exit', onExit).kill('SIGKILL')
}

/**
 * Starts the service.
 * @param jobId a job whose status is 200 when this resolves
 */
export async function startServiceProcess(
  simulator: Simulator,
  jobId: string,
  environment: Record<string, string> = {},
): Promise<ServiceProcess> {
  const port = await freePort()
  let metricsPort = port
  while (metricsPort === port) metricsPort = await freePort()
  const token = await simulator.identityProvider.signCallerToken()
  const probe = `data:text/javascript,${encodeURIComponent(PROBE)}`
  const server = resolve(import.meta.dirname, '../../src/server.ts')
  const child = spawn(process.execPath, ['--expose-gc', '--import', probe, server], {
    env: {
      ...simulator.environment,
      PORT: `${port}`,
      METRICS_PORT: `${metricsPort}`,
      // No limit rejects or delays a request, but requests are counted.
      RATE_LIMIT_PER_MINUTE: '1000000000',
      CALLER_MAX_STREAMS: '0',
      CALLER_MAX_WATCHED_JOBS: '0',
      UPSTREAM_POLLS_PER_SECOND: '1000',
      LOG_LEVEL: 'warn',
      ...environment,
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const kill = endWithProcess(child)
  const headers = { authorization: `Bearer ${token}` }
  await untilStatus(`http://127.0.0.1:${port}${pathOf(jobId)}`, 200, headers)
  return {
    target: { port, token },
    sample: async () => ({
      ...(await ask<Omit<Sample, 'descriptors'>>(child, {})),
      descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
    }),
    metric: async (name) => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
      const samples = (await response.text()).split('\n').map((sample) => sample.split(' '))
      return Number(samples.find(([sampleName]) => sampleName === name)?.[1] ?? 0)
    },
    kill,
  }
}

/** Starts simulator and service. The first job is cached when it resolves. */
export async function startMeasuredService(
  jobs: SimulatedJob[],
  options: SimulatorOptions = {},
): Promise<MeasuredService> {
  const simulator = await startSimulator(options)
  for (const job of jobs) simulator.cdf.addJob(job)
  const { target, sample, kill } = await startServiceProcess(simulator, jobs[0]?.jobId ?? '')
  return {
    simulator,
    target,
    sample,
    end: async () => {
      kill()
      await simulator.close()
    },
  }
}
