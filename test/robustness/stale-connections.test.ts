import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { holdRequests } from '../support/held-requests.ts'
import { endConnection, isOnReusedConnection, type Loss } from '../support/stale-connections.ts'
import { type Service, startService } from '../support/start-service.ts'

const COUNT = 8
const ALL_GOOD = Array(COUNT).fill(200)

/** Reads eight jobs at the same time and returns the statuses. */
function readJobs({ quality }: Service, from: number): Promise<number[]> {
  const jobIds = Array.from({ length: COUNT }, (_, index) => jobIdOf(from + index))
  return Promise.all(jobIds.map(async (jobId) => (await quality(jobId)).status))
}

/** Starts the service without retries. It has at least eight idle connections to CDF. */
async function startWithPool(t: Test): Promise<Service & { pooled: Set<Socket> }> {
  const service = await startService(t, { environment: { UPSTREAM_MAX_ATTEMPTS: '1' } })
  const { simulator } = service
  for (let job = 0; job < 3 * COUNT; job += 1)
    simulator.cdf.addJob(lasting(jobIdOf(job), 'Running'))
  const held = holdRequests(simulator)
  const api = simulator.handlers.get('/api')
  const pooled = new Set<Socket>()
  simulator.handlers.set('/api', {
    handle: async (request, response) => {
      pooled.add(request.socket)
      await api?.handle(request, response)
    },
  })
  const reads = readJobs(service, 0)
  await held.arrived(COUNT)
  held.releaseAll()
  await reads
  return { ...service, pooled }
}

for (const loss of ['reset', 'closed'] as Loss[]) {
  t.test(`answers eight reads whose pooled connections are ${loss}, without a retry`, async (t) => {
    const service = await startWithPool(t)
    const { simulator, logs } = service
    const lost: IncomingMessage[] = []
    simulator.handlers.set('/api', {
      handle: async (request, response) => {
        if (!isOnReusedConnection(request)) return simulator.cdf.handle(request, response)
        // All at the same time, so that each request uses another connection.
        if (lost.push(request) === COUNT) for (const each of lost) endConnection(each, loss)
      },
    })
    t.strictSame(await readJobs(service, COUNT), ALL_GOOD)
    t.equal(lost.length, COUNT)
    t.strictSame(await readJobs(service, 2 * COUNT), ALL_GOOD)
    t.notOk(logs.find(({ msg }) => msg === 'circuit breaker state changed'))
    t.notOk(logs.find(({ failure }) => failure !== undefined))
  })
}

t.test('answers eight reads at the moment when CDF resets all connections', async (t) => {
  const service = await startWithPool(t)
  for (const socket of service.pooled) socket.resetAndDestroy()
  t.strictSame(await readJobs(service, COUNT), ALL_GOOD)
})

t.test('gets a new token although the pooled connections are lost', async (t) => {
  const { simulator, quality } = await startWithPool(t)
  const { cdf, identityProvider } = simulator
  let lost = 0
  simulator.handlers.set('/idp', {
    handle: async (request, response) => {
      if (!isOnReusedConnection(request)) return identityProvider.handle(request, response)
      lost += 1
      endConnection(request, 'reset')
    },
  })
  cdf.revokeTokens()
  cdf.faults.next({ status: 401 })
  t.equal((await quality(jobIdOf(COUNT))).status, 200)
  t.equal(lost, 1)
})
