import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '../simulator/start-simulator.ts'
import { freePort } from '../test/helper.ts'
import { onCore } from './load.ts'
import { median } from './performance-report.ts'

/**
 * From the start of the process, as the image starts it, to its first answer, beside a bare Fastify application with as many
 * routes, in turns.
 */
const ROUNDS = 15

const simulator = await startSimulator()

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    get({ host: '127.0.0.1', port, path: '/health/live', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })

/** As in the image. */
const cache = new URL('../node_modules/.cache/compile', import.meta.url).pathname

async function firstAnswerMs(name: string, file: string): Promise<number> {
  const port = await freePort()
  const path = new URL(file, import.meta.url).pathname
  const [program = '', ...args] = [...onCore(0), process.execPath, path]
  const env = {
    ...simulator.environment,
    PATH: process.env.PATH,
    PORT: `${port}`,
    METRICS_PORT: '0',
    ...(name === 'service' && { NODE_COMPILE_CACHE: cache }),
  }
  const startedAt = performance.now()
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  while (!(await answers(port))) await sleep(1)
  const tookMs = performance.now() - startedAt
  // By itself, so that Node can keep what it has compiled.
  child.kill('SIGTERM')
  await once(child, 'exit')
  return tookMs
}

const files = { service: '../src/server.ts', 'bare Fastify': 'servers/bare-fastify.ts' }
const times = new Map<string, number[]>(Object.keys(files).map((name) => [name, []]))
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [name, file] of Object.entries(files)) {
    const tookMs = await firstAnswerMs(name, file)
    if (round > 0) times.get(name)?.push(tookMs)
  }
}
await simulator.close()

for (const [name, each] of times) {
  process.stdout.write(
    `${name.padEnd(12)}  median ${median(each).toFixed(0)} ms  (${Math.min(...each).toFixed(0)}–${Math.max(...each).toFixed(0)})\n`,
  )
}
const ratio = median(times.get('service') ?? []) / median(times.get('bare Fastify') ?? [])
process.stdout.write(`ratio ${ratio.toFixed(2)}, node ${process.version}, ${ROUNDS} rounds\n`)
