import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../../test/support/local-server.ts'
import { startPinned, stop } from '../support/processes.ts'
import { check, line } from '../support/report.ts'
import { median, quantile } from '../support/statistics.ts'

/**
 * `npm run bench:start`: from the start of the process to the first response, beside a bare Fastify application with as
 * many routes, in turns. `--service` measures another checkout.
 */
const { values } = parseArgs({
  options: { service: { type: 'string', default: join(import.meta.dirname, '../..') } },
})
const ROUNDS = 15
/** As a multiple of bare Fastify, both without settings for Node. */
const GOAL = 2

const folder = await mkdtemp(join(tmpdir(), 'cdf-job-quality-start-'))
const simulator = await startSimulator()
const scripts = {
  service: join(resolve(values.service), 'src/server.ts'),
  'bare Fastify': join(import.meta.dirname, '../servers/bare-fastify.ts'),
}
type Name = keyof typeof scripts

/** How they start. The warm-up round fills the compile caches. */
const conditions = {
  // The service turns on Node's compile cache for itself.
  'any later start': () => ({}),
  'with NODE_COMPILE_CACHE, as in the image': (name: Name) => ({
    NODE_COMPILE_CACHE: join(folder, name),
  }),
  'first start, without a compile cache': () => ({ NODE_DISABLE_COMPILE_CACHE: '1' }),
}

const responds = (port: number) =>
  new Promise<boolean>((resolve) => {
    get({ host: '127.0.0.1', port, path: '/health/live', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })

async function firstResponseMs(name: Name, own: Record<string, string>): Promise<number> {
  const port = await freePort()
  const environment = {
    ...simulator.environment,
    NODE_ENV: 'production',
    PORT: `${port}`,
    METRICS_PORT: '0',
    ...own,
  }
  const startMs = performance.now()
  const child = startPinned([process.execPath, scripts[name]], { core: 0, environment })
  while (!(await responds(port))) await sleep(1)
  const tookMs = performance.now() - startMs
  // A normal exit, so that Node writes the compile cache.
  await stop(child)
  return tookMs
}

line(`node ${process.version}, ${ROUNDS} rounds, start to first response, median (quartiles)`)
for (const [condition, environmentOf] of Object.entries(conditions)) {
  const times: Record<Name, number[]> = { service: [], 'bare Fastify': [] }
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const name of ['service', 'bare Fastify'] as const) {
      const tookMs = await firstResponseMs(name, environmentOf(name))
      if (round > 0) times[name].push(tookMs)
    }
  }
  const { service, 'bare Fastify': bare } = times
  const ratio = median(service.map((ms, round) => ms / (bare[round] ?? Number.NaN)))
  for (const [name, each] of Object.entries(times)) {
    const quartiles = [0.25, 0.75].map((share) => quantile(each, share).toFixed(0)).join('–')
    line(`${condition}, ${name}: ${median(each).toFixed(0)} ms (${quartiles})`)
  }
  const text = `${condition}: ${ratio.toFixed(2)} × bare Fastify`
  if (condition === 'any later start') check(ratio <= GOAL, `${text}, goal ${GOAL}`)
  else line(`        ${text}`)
}
await simulator.close()
await rm(folder, { recursive: true, force: true })
