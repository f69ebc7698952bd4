import { Agent, request } from 'undici'
import { lasting } from '../simulator/simulated-job.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { median } from './performance-report.ts'

/**
 * What a miss costs: one caller, an empty cache, against a direct call to the simulated CDF with the same token, in
 * turns within one run. All of it (caller, service, CDF) shares one process, so that the figures are upper bounds.
 */
const ROUNDS = 3_000
const WARM_UP = 500

const simulator = await startSimulator()
// With everything on, but a rate limit that does not bite.
const app = await buildApp(
  loadConfig({
    ...simulator.environment,
    LOG_LEVEL: 'silent',
    RATE_LIMIT_PER_MINUTE: '1000000000',
  }),
)
const service = await app.listen({ host: '127.0.0.1', port: 0 })
const agent = new Agent({ connections: 1 })

const jobId = (round: number) => `00000000-0000-4000-8000-${round.toString(16).padStart(12, '0')}`
for (let round = 0; round < ROUNDS; round += 1)
  simulator.cdf.addJob(lasting(jobId(round), 'Completed'))

async function timed(url: string, headers: Record<string, string> = {}): Promise<number> {
  const startedAt = performance.now()
  const { statusCode, body } = await request(url, { dispatcher: agent, headers })
  await body.text()
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode}`)
  return performance.now() - startedAt
}

const asCaller = { authorization: `Bearer ${await simulator.identityProvider.signCallerToken()}` }

// The token that the service uses, taken from its first request, so that CDF does the same work for both.
await timed(`${service}/jobs/${jobId(0)}/quality`, asCaller)
const headers = Object.fromEntries(
  simulator.cdf.requests[0]?.headers.filter(([name]) => !['host', 'connection'].includes(name)) ??
    [],
)

const direct: number[] = []
const miss: number[] = []
for (let round = 1; round < ROUNDS; round += 1) {
  const path = `/api/v1/projects/${simulator.cdf.project}/advancedjoins/estimatequality/${jobId(round)}`
  const directMs = await timed(`${simulator.url}${path}`, headers)
  const missMs = await timed(`${service}/jobs/${jobId(round)}/quality`, asCaller)
  if (round < WARM_UP) continue
  direct.push(directMs)
  miss.push(missMs)
}

const [directMs, missMs] = [median(direct), median(miss)]
const limitMs = 1.5 * directMs + 1
process.stdout.write(
  [
    `node ${process.version}, ${direct.length} rounds, medians`,
    `direct call to CDF   ${directMs.toFixed(3)} ms`,
    `miss by the service  ${missMs.toFixed(3)} ms   ${(missMs / directMs).toFixed(2)} ×, limit ${limitMs.toFixed(3)} ms (1.5 × direct + 1 ms)`,
    missMs <= limitMs ? 'within the limit\n' : 'OVER THE LIMIT\n',
  ].join('\n'),
)

await agent.close()
await app.close()
await simulator.close()
process.exitCode = missMs <= limitMs ? 0 : 1
