import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { buildApp } from '../../src/app.ts'
import { scheduleTimeout } from '../../src/async/clock.ts'
import { loadConfig } from '../../src/config/config.ts'
import { startRedisServer } from '../redis-server.ts'
import { seededRandom } from '../seeded-random.ts'
import { lasting, SCORES } from '../upstream/simulated-job.ts'
import { startSimulator } from '../upstream/start-simulator.ts'
import { AbusiveCaller } from './abusive-caller.ts'
import { ChaosCaller } from './caller.ts'
import { injectRedisFaultsUntil } from './redis-faults.ts'
import { injectUpstreamFaultsUntil } from './upstream-faults.ts'

/**
 * `npm run chaos`: callers send random requests to three replicas while CDF, the identity provider and Redis fail at
 * random, and another caller abuses the service. Checks each response against the contract, that the service recovers,
 * that it then rejects no request because of the abusive caller, and that nothing leaks. The seed determines the random
 * numbers. Without `redis-server`, there is one replica.
 *
 *     npm run chaos -- --seconds 60 --seed 1 --callers 50 --replicas 3
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    callers: { type: 'string', default: '50' },
    replicas: { type: 'string', default: '3' },
  },
})
const SECONDS = Number(values.seconds)
const CALLERS = Number(values.callers)
/** How many times faster than the real clock the service's clock runs, so that cool-downs and open circuits end. */
const SPEED = 10
const DEADLINE_MS = 1_500
/** The deadline and a margin for a busy machine. */
const MAX_RESPONSE_MS = DEADLINE_MS + 3_000
/** The largest growth of the heap after the warm-up. */
const MAX_GROWTH = 0.1
/** The faults end after this share of the time. */
const FAULTS_SHARE = 0.8
/** After the faults; with it, calls to CDF have to wait for a slot. */
const CDF_DELAY_MS = 10
/** The streams of the abusive caller have more jobs than it may watch. */
const MAX_WATCHED_JOBS = 300
const ABUSED_JOBS = 400

const random = seededRandom(Number(values.seed))

const simulator = await startSimulator()
const DONE = Array.from(
  { length: 20 },
  (_, number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
)
const PENDING = Array.from({ length: 20 }, (_, number) => String(1_000 + number))
for (const id of DONE) simulator.cdf.addJob(lasting(id, 'Completed', SCORES))
const ABUSED = Array.from({ length: ABUSED_JOBS }, (_, number) => String(10_000 + number))
for (const id of [...PENDING, ...ABUSED]) simulator.cdf.addJob(lasting(id, 'Running'))
const UNKNOWN = Array.from({ length: 20 }, (_, number) => String(5_000 + number))
const INVALID = ['nonsense', '0012', '%zz']

const redis =
  Number(values.replicas) > 1
    ? await startRedisServer().catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        process.stdout.write('redis-server is not installed: one replica\n')
      })
    : undefined
const config = loadConfig({
  ...simulator.environment,
  LOG_LEVEL: 'silent',
  RATE_LIMIT_PER_MINUTE: '0',
  TRUST_PROXY: '1',
  // Full after the warm-up, so that the unknown ids of the abusive caller do not look like a leak.
  JOB_CACHE_MAX_ENTRIES: '500',
  CALLER_MAX_WATCHED_JOBS: String(MAX_WATCHED_JOBS),
  UPSTREAM_ATTEMPT_TIMEOUT_MS: '500',
  UPSTREAM_DEADLINE_MS: String(DEADLINE_MS),
  IDP_TIMEOUT_MS: '500',
  ...(redis && {
    REDIS_URL: redis.url,
    // In real time, a tenth: all replicas are in this one thread.
    REDIS_TIMEOUT_MS: '1000',
  }),
})
const apps = await Promise.all(
  Array.from({ length: redis ? Number(values.replicas) : 1 }, () =>
    buildApp(config, {
      now: () => performance.now() * SPEED,
      schedule: (delayMs, work) => scheduleTimeout(delayMs / SPEED, work),
      random,
    }),
  ),
)
const urls = await Promise.all(apps.map((app) => app.listen({ host: '127.0.0.1', port: 0 })))
const [url = ''] = urls
const accessToken = await simulator.identityProvider.signCallerToken()
const authorization = `Bearer ${accessToken}`
const agent = new Agent({ connections: CALLERS })

const caller = new ChaosCaller({
  urls,
  accessToken,
  dispatcher: agent,
  jobs: { done: DONE, pending: PENDING, unknown: UNKNOWN, invalid: INVALID },
  maxResponseMs: MAX_RESPONSE_MS,
  speed: SPEED,
  random,
})
const { violations, counts } = caller
const abuserAgent = new Agent()
const abuser = new AbusiveCaller({
  url,
  authorization: `Bearer ${await simulator.identityProvider.signCallerToken({ sub: 'abuser' })}`,
  dispatcher: abuserAgent,
  jobIds: ABUSED,
})

async function sendRequestsUntil(endMs: number, count = CALLERS): Promise<void> {
  const sendRequests = async () => {
    while (performance.now() < endMs) {
      await caller.sendRandomRequest()
      await new Promise((resolve) => setTimeout(resolve, random() * 10))
    }
  }
  const callers = Array.from({ length: count }, sendRequests)
  await Promise.all([...callers, abuser.runUntil(endMs)])
}

async function injectFaultsUntil(endMs: number): Promise<void> {
  await Promise.all([
    injectUpstreamFaultsUntil(endMs, simulator, random),
    redis && injectRedisFaultsUntil(endMs, redis, random),
  ])
}

async function heapMiB(): Promise<number> {
  for (let times = 0; times < 4; times += 1) {
    globalThis.gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed / 2 ** 20
}

/** Waits until all jobs return 200 again; an open circuit can take 30 s of the service's clock. */
async function waitForRecovery(): Promise<number> {
  const startedAtMs = performance.now()
  for (;;) {
    const statuses = await Promise.all(
      [...DONE, ...PENDING].flatMap((jobId) =>
        urls.map(async (replica) => {
          const { statusCode, body } = await request(`${replica}/jobs/${jobId}/quality`, {
            dispatcher: agent,
            headers: { authorization },
          })
          await body.dump()
          return statusCode
        }),
      ),
    )
    if (statuses.every((status) => status === 200)) return performance.now() - startedAtMs
    if (performance.now() - startedAtMs > 20_000) throw new Error('the service does not recover')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

// Renders Swagger UI while the identity provider has no faults. Without its endpoints, it would be rendered again.
for (const replica of urls)
  await (await request(`${replica}/docs`, { dispatcher: agent })).body.dump()

const startedAtMs = performance.now()
const warmUpMs = Math.min(10_000, SECONDS * 500)
await Promise.all([
  sendRequestsUntil(startedAtMs + warmUpMs),
  injectFaultsUntil(startedAtMs + warmUpMs),
])
simulator.cdf.requests.length = 0
const heapBefore = await heapMiB()
const faultsEndMs = startedAtMs + FAULTS_SHARE * SECONDS * 1000
await Promise.all([sendRequestsUntil(faultsEndMs), injectFaultsUntil(faultsEndMs)])
// Redis has the real clock, on which a pause of the service's clock takes ten times as long.
await redis?.command('FLUSHALL')
const recoveryMs = await waitForRecovery()
simulator.cdf.faults.standing = { delayMs: CDF_DELAY_MS }
caller.isCdfHealthy = true
await sendRequestsUntil(
  performance.now() + (1 - FAULTS_SHARE) * SECONDS * 1000,
  Math.ceil(CALLERS / 5),
)
const cdfRequests = simulator.cdf.requests.length
simulator.cdf.requests.length = 0
const heapAfter = await heapMiB()
const growth = heapAfter / heapBefore - 1

await Promise.all([agent.destroy(), abuserAgent.destroy()])
await Promise.all(apps.map((app) => app.close()))
await redis?.stop()
await simulator.close()
await new Promise((resolve) => setTimeout(resolve, 200))
const openResources = process
  .getActiveResourcesInfo()
  .filter((name) => !/^(TTYWrap|PipeWrap|FSReqCallback|Immediate)$/.test(name))

if (globalThis.gc && growth > MAX_GROWTH)
  violations.push(`the heap grew by ${(100 * growth).toFixed(1)} %`)
if (openResources.length > 0)
  violations.push(`still open after the close: ${openResources.join(', ')}`)
violations.push(...abuser.violations.map((violation) => `abusive caller: ${violation}`))

const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
process.stdout.write(
  [
    `seed ${values.seed}, ${SECONDS} s, ${CALLERS} callers, replicas: ${urls.length}, node ${process.version}`,
    `${total} responses and updates, ${cdfRequests} requests to CDF, recovered in ${Math.round(recoveryMs)} ms, heap ${heapBefore.toFixed(1)} → ${heapAfter.toFixed(1)} MiB`,
    ...[...counts]
      .sort((a, b) => b[1] - a[1])
      .map(([kind, count]) => `${String(count).padStart(8)}  ${kind}`),
    `abusive caller: ${[...abuser.counts].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`,
    ...violations.slice(0, 20).map((violation) => `VIOLATION  ${violation}`),
    `${violations.length} violations\n`,
  ].join('\n'),
)
process.exit(violations.length === 0 ? 0 : 1)
