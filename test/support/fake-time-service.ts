import type { Test } from 'tap'
import { lasting, SCORES, type SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import { type Service, startService } from './start-service.ts'
import { until } from './wait.ts'

/** A job that is Queued, Running after 10 s, and Completed after 20 s. */
export const progressing = (jobId: string): SimulatedJob => ({
  ...lasting(jobId, 'Queued'),
  steps: [
    { afterMs: 0, status: 'Queued' },
    { afterMs: 10_000, status: 'Running' },
    { afterMs: 20_000, status: 'Completed', with: SCORES },
  ],
})

/** Starts the service with fake clocks for itself and for CDF; `advance` moves both. */
export async function startFakeTimeService(
  t: Test,
  environment: Record<string, string> = {},
): Promise<Service & { advance: (ms: number) => Promise<void> }> {
  let nowMs = Date.parse('2026-01-07T10:00:00.000Z')
  const service = await startService(t, {
    clock: 'fake',
    simulator: { now: () => nowMs },
    environment,
  })
  const { jobReader } = service.app
  const read = jobReader.read.bind(jobReader)
  let readsInProgress = 0
  jobReader.read = (...args) => {
    const result = read(...args)
    if (!(result instanceof Promise)) return result
    readsInProgress += 1
    const onEnd = () => {
      readsInProgress -= 1
    }
    result.then(onEnd, onEnd)
    return result
  }
  /** Also waits for the reads that the timers start. */
  const advance = async (ms: number) => {
    nowMs += ms
    service.clock.advance(ms)
    await until(() => readsInProgress === 0)
  }
  return { ...service, advance }
}
