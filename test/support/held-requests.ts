import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { until } from './wait.ts'

/** Requests to CDF that get no response until the test releases them. */
export interface HeldRequests {
  /** The job ids of all requests so far, in the order of their arrival. */
  readonly jobIds: readonly string[]
  /** Waits until this many requests have arrived. */
  arrived: (count: number) => Promise<void>
  /** Answers the oldest requests, one after the other. Each frees a slot, so another request must follow. */
  release: (count: number) => Promise<void>
  /** Answers all requests, also later ones. */
  releaseAll: () => void
}

/** Holds all requests to CDF from now on. */
export function holdRequests({ cdf, handlers }: Simulator): HeldRequests {
  const jobIds: string[] = []
  const held: (() => void)[] = []
  let isHolding = true
  handlers.set('/api', {
    handle: async (request, response) => {
      jobIds.push(request.url?.split('/').at(-1) ?? '')
      if (isHolding) await new Promise<void>((resolve) => held.push(resolve))
      await cdf.handle(request, response)
    },
  })
  const arrived = (count: number) => until(() => jobIds.length >= count)
  return {
    jobIds,
    arrived,
    release: async (count) => {
      for (let released = 0; released < count; released += 1) {
        const next = jobIds.length + 1
        held.shift()?.()
        await arrived(next)
      }
    },
    releaseAll: () => {
      isHolding = false
      for (const answer of held.splice(0)) answer()
    },
  }
}
