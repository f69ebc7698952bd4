import { Agent, request } from 'undici'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { jobIds, pathOf } from '../servers/completed-job.ts'
import { startMeasuredService } from '../support/measured-service.ts'
import { check, line } from '../support/report.ts'
import { median } from '../support/statistics.ts'

/**
 * `npm run bench:miss`: latency of a cache miss for a single caller, beside a direct call to the simulated CDF with the
 * same headers, in turns. The caller and CDF share one process.
 */
const WARM_UP = 200
/** Of the direct call. */
const LIMIT = { factor: 1.5, extraMs: 1 }

const service = await startMeasuredService(jobIds.map((jobId) => lasting(jobId, 'Completed')))
const { simulator, target } = service
const agent = new Agent({ connections: 1 })

async function timed(url: string, headers: Record<string, string>): Promise<number> {
  const startMs = performance.now()
  const { statusCode, body } = await request(url, { dispatcher: agent, headers })
  await body.text()
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode}`)
  return performance.now() - startMs
}

const callerHeaders = { authorization: `Bearer ${target.token}` }
// The headers of the service's own request, so that CDF does the same work for both.
const cdfHeaders = Object.fromEntries(
  simulator.cdf.requests[0]?.headers.filter(([name]) => !['host', 'connection'].includes(name)) ??
    [],
)
const cdfPath = `/api/v1/projects/${simulator.cdf.project}/advancedjoins/estimatequality`
const direct: number[] = []
const miss: number[] = []
// The first job is cached.
for (const [index, jobId] of jobIds.slice(1).entries()) {
  const directMs = await timed(`${simulator.url}${cdfPath}/${jobId}`, cdfHeaders)
  const missMs = await timed(`http://127.0.0.1:${target.port}${pathOf(jobId)}`, callerHeaders)
  if (index < WARM_UP) continue
  direct.push(directMs)
  miss.push(missMs)
}
await service.end()

const [directMs, missMs] = [median(direct), median(miss)]
const limitMs = LIMIT.factor * directMs + LIMIT.extraMs
line(
  `node ${process.version}, ${direct.length} rounds, direct call to CDF ${directMs.toFixed(3)} ms`,
)
check(
  missMs <= limitMs,
  `miss ${missMs.toFixed(3)} ms, limit ${limitMs.toFixed(3)} ms ` +
    `(${LIMIT.factor} × direct call + ${LIMIT.extraMs} ms)`,
)
process.exit()
