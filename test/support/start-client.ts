import type { Test } from 'tap'
import { type Client, type ClientOptions, createClient } from '../../client/src/index.ts'
import type { FakeClock } from './fake-clock.ts'
import { startFakeTimeService } from './fake-time-service.ts'
import { recordingFetch, type SentRequest } from './recording-fetch.ts'
import type { Service } from './start-service.ts'

/** A client that records its requests and has a fake clock. */
export function recordingClient(
  options: ClientOptions,
  { now, schedule }: Pick<FakeClock, 'now' | 'schedule'>,
): { client: Client; requests: SentRequest[] } {
  const { fetch, requests } = recordingFetch()
  const client = createClient({ fetch, ...options }, { now, schedule, random: () => 0 })
  return { client, requests }
}

/** Starts the service and a client of it; `advance` moves the clocks of both and of CDF. */
export async function startClient(
  t: Test,
  environment: Record<string, string> = {},
  options: Partial<ClientOptions> = {},
): Promise<
  Service & {
    advance: (ms: number) => Promise<void>
    client: Client
    requests: SentRequest[]
  }
> {
  const service = await startFakeTimeService(t, environment)
  return { ...service, ...recordingClient({ baseUrl: service.url, ...options }, service.clock) }
}
