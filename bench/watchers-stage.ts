import type { ChildProcess } from 'node:child_process'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import type { SimulatedJob } from '../simulator/simulated-job.ts'
import type { SimulatorOptions } from '../simulator/start-simulator.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { freePort, jobIdOf } from '../test/helper.ts'
import type { LoadReport, Order } from './watchers-load.ts'
import { check } from './watchers-report.ts'

/** Jobs that are watched. */
export const JOBS = 100
/** Their ids. */
export const jobIds = Array.from({ length: JOBS }, (_, number) => jobIdOf(number))
/** So many ids, each job in its turn. */
export const someJobs = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => jobIds[(first + index) % JOBS] as string)

/** Runs in the service's process: whoever sends it a message is told what the process takes. */
const PROBE = `process.on('message', async () => {
  for (let times = 0; times < 3; times += 1) { gc(); await new Promise(setImmediate) }
  const { rss, heapUsed, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const resources = process.getActiveResourcesInfo().length
  process.send({ rss, used: heapUsed + external, cpuSeconds: (user + system) / 1e6, resources })
})
process.on('disconnect', () => process.exit())`

/** What the service's process takes, after garbage collection. */
export interface Sample {
  rss: number
  /** Heap and Buffers. */
  used: number
  cpuSeconds: number
  /** What keeps the event loop alive: sockets, timers, requests. */
  resources: number
  descriptors: number
}

function endedEarly(): never {
  check(false, 'the service or its callers ended before they were told to')
  process.exit()
}

/** One question to another process at a time. */
async function ask<Answer>(child: ChildProcess, message: object): Promise<Answer> {
  child.send(message)
  const [answer] = await once(child, 'message')
  return answer as Answer
}

/** CDF, the service and the callers, all anew; done once the service answers. */
export async function startStage(jobs: SimulatedJob[], options: SimulatorOptions = {}) {
  const simulator = await startSimulator(options)
  for (const job of jobs) simulator.cdf.addJob(job)
  const port = await freePort()
  const token = await simulator.identityProvider.signCallerToken()
  const probe = `data:text/javascript,${encodeURIComponent(PROBE)}`
  const service = spawn(process.execPath, ['--expose-gc', '--import', probe, 'src/server.ts'], {
    env: {
      ...simulator.environment,
      PORT: String(port),
      // High enough not to bite, and counted all the same.
      RATE_LIMIT_PER_MINUTE: '1000000000',
      CALLER_MAX_STREAMS: '0',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const load = fork(new URL('watchers-load.ts', import.meta.url), { serialization: 'advanced' })
  for (const child of [service, load]) child.once('exit', endedEarly)

  const stage = {
    simulator,
    target: { port, token },
    /** Reads a job as anybody does; gives the status. */
    read: async (jobId: string) => {
      const headers = { authorization: `Bearer ${token}` }
      const answer = await request(`http://127.0.0.1:${port}/jobs/${jobId}/quality`, { headers })
      await answer.body.dump()
      return answer.statusCode
    },
    sample: async (): Promise<Sample> => ({
      ...(await ask<Omit<Sample, 'descriptors'>>(service, {})),
      descriptors: readdirSync(`/proc/${service.pid}/fd`).length,
    }),
    order: (order: Order) => ask<LoadReport>(load, order),
    end: async () => {
      for (const child of [service, load]) child.off('exit', endedEarly).kill('SIGKILL')
      await simulator.close()
    },
  }
  const firstId = jobs[0]?.jobId ?? ''
  while ((await stage.read(firstId).catch(() => 0)) !== 200) await sleep(50)
  return stage
}
