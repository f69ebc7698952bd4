import { fork } from 'node:child_process'
import { request } from 'undici'
import type { SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import type { SimulatorOptions } from '../../simulator/upstream/start-simulator.ts'
import { jobIds as cachedJobIds, pathOf } from '../servers/completed-job.ts'
import { ask, endWithProcess, startMeasuredService } from '../support/measured-service.ts'
import { check, line } from '../support/report.ts'
import type { CallersReport, Order } from './callers.ts'

/** Number of watched jobs. */
export const JOBS = 100
/** Ids of the watched jobs. */
export const jobIds = cachedJobIds.slice(0, JOBS)
/** Ids of `count` jobs from `first` on, round-robin. */
export const someJobs = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => jobIds[(first + index) % JOBS] as string)

/** Starts the simulator, the service and the process of the callers. */
export async function startStage(jobs: SimulatedJob[], options: SimulatorOptions = {}) {
  const service = await startMeasuredService(jobs, options)
  const { port, token } = service.target
  const callers = fork(new URL('callers.ts', import.meta.url), { serialization: 'advanced' })
  const killCallers = endWithProcess(callers)
  return {
    ...service,
    /** Reads a job from this process; returns the status. */
    read: async (jobId: string) => {
      const headers = { authorization: `Bearer ${token}` }
      const url = `http://127.0.0.1:${port}${pathOf(jobId)}`
      const { statusCode, body } = await request(url, { headers })
      await body.dump()
      return statusCode
    },
    order: (order: Order) => ask<CallersReport>(callers, order),
    end: async () => {
      killCallers()
      await service.end()
    },
  }
}

/** Checks that the callers got the expected responses only. */
export function checkResponses({ statuses, faults, watching }: CallersReport): void {
  for (const fault of faults.slice(0, 10)) line(`        ${fault.slice(0, 90)}`)
  const isGood = [...statuses.keys()].every((status) => status === 200 || status === 304)
  const counts = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
  check(
    isGood && faults.length === 0 && watching === 0,
    `responses ${counts}; ${faults.length} faults, ${watching} still watching`,
  )
}
