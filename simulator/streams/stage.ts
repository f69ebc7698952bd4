import type { AddressInfo } from 'node:net'
import { buildApp } from '../../src/app.ts'
import { scheduleTimeout } from '../../src/async/clock.ts'
import { loadConfig } from '../../src/config/config.ts'
import { type JobStep, SCORES } from '../upstream/simulated-job.ts'
import { startSimulator } from '../upstream/start-simulator.ts'

/** How many times faster than the real clock the clocks of the service and of CDF run. */
const SPEED = 10
/** The job changes twice, each time after 1 to 6 s of its clock. */
const STEP_MS = { min: 1_000, max: 6_000 }

/** A running service with jobs that change quickly. */
export interface Stage {
  port: number
  /** Adds a job that is Queued, and returns a function that makes it Running and Completed soon. */
  addJob: (jobId: string, random: () => number) => () => void
  close: () => Promise<void>
}

/** Starts the service without authentication, in front of a simulated CDF. */
export async function startStage(): Promise<Stage> {
  const now = () => performance.now() * SPEED
  const simulator = await startSimulator({ now: () => Math.round(performance.timeOrigin + now()) })
  const app = await buildApp(
    loadConfig({
      ...simulator.environment,
      AUTH_MODE: 'none',
      CORS_ORIGINS: '*',
      // On a busy machine, the service would send a stream in place of a 204 while it reads the unknown job again.
      JOB_NOT_FOUND_TTL_MS: '600000',
      LOG_LEVEL: 'silent',
      METRICS_PORT: '0',
      RATE_LIMIT_PER_MINUTE: '0',
    }),
    { now, schedule: (delayMs, task) => scheduleTimeout(delayMs / SPEED, task) },
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    port: (app.server.address() as AddressInfo).port,
    addJob: (jobId, random) => {
      const addedMs = now()
      const steps: [JobStep, ...JobStep[]] = [{ afterMs: 0, status: 'Queued' }]
      simulator.cdf.addJob({ jobId, advancedJoinExternalId: 'pump-to-area', steps })
      const stepMs = () => Math.round(STEP_MS.min + random() * (STEP_MS.max - STEP_MS.min))
      return () => {
        const runningMs = Math.round(now() - addedMs) + stepMs()
        const completed = { status: 'Completed', with: SCORES }
        steps.push({ afterMs: runningMs, status: 'Running' })
        steps.push({ afterMs: runningMs + stepMs(), ...completed })
      }
    },
    close: async () => {
      await app.close()
      await simulator.close()
    },
  }
}
