import type { Test } from 'tap'
import type { SimulatedJob } from '../simulator/simulated-job.ts'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import type { Service } from './helper.ts'
import { startService, until } from './helper.ts'

/** A job that is Queued, Running after 10 s, and Completed after 20 s. */
export const passing = (jobId: string): SimulatedJob => ({
  ...lasting(jobId, 'Queued'),
  steps: [
    { afterMs: 0, status: 'Queued' },
    { afterMs: 10_000, status: 'Running' },
    { afterMs: 20_000, status: 'Completed', with: SCORES },
  ],
})

/** A service whose clock and CDF's stand still, and move together when they are told to. */
export async function startMovingService(
  t: Test,
  environment: Record<string, string> = {},
): Promise<Service & { pass: (ms: number) => Promise<void> }> {
  let nowMs = Date.parse('2026-01-07T10:00:00.000Z')
  const service = await startService(t, {
    clock: 'fake',
    simulator: { now: () => nowMs },
    environment,
  })
  const { jobQuality } = service.app
  const read = jobQuality.read.bind(jobQuality)
  let underWay = 0
  jobQuality.read = (...given) => {
    const reading = read(...given)
    if (!(reading instanceof Promise)) return reading
    underWay += 1
    const ended = () => {
      underWay -= 1
    }
    reading.then(ended, ended)
    return reading
  }
  /** Lets time go by, and every read end that it causes. */
  const pass = async (ms: number) => {
    nowMs += ms
    service.clock.advance(ms)
    await until(() => underWay === 0)
  }
  return { ...service, pass }
}
