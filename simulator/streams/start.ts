import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { CHROMIUM } from '../chromium.ts'
import { seededRandom } from '../seeded-random.ts'
import { type Run, runBatch } from './batch.ts'
import { startBrowserReader } from './browser-reader.ts'
import { hasPythonRequests, startPythonReader } from './python-reader.ts'
import { NODE_READERS, type StreamReader } from './readers.ts'
import { startStage } from './stage.ts'

/**
 * `npm run streams`: several clients of event streams follow jobs while their connections are cut at random positions.
 * Checks that each client receives the last state of each job and stops with few connections. The seed determines the
 * cuts and the jobs.
 *
 *     npm run streams -- --runs 1000 --seed 1
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})
const RUNS = Number(values.runs)
/** Clients of each reader at the same time. */
const RUNS_PER_READER = 6

const readers: StreamReader[] = [...NODE_READERS]
if (existsSync(CHROMIUM)) readers.push(await startBrowserReader())
else process.stdout.write(`${CHROMIUM} is not installed\n`)
if (await hasPythonRequests()) readers.push(await startPythonReader())
else process.stdout.write('the Python package requests is not installed\n')

const stage = await startStage()
const runs: Run[] = []
for (let batch = 0; runs.length < RUNS; batch += 1) {
  const random = seededRandom(Number(values.seed) + batch)
  runs.push(...(await runBatch(stage, readers, RUNS_PER_READER, random)))
}
await stage.close()
for (const { close } of readers) await close?.()

const violations = runs.flatMap((run) => run.violations.map((text) => `${run.reader}: ${text}`))
const sum = (name: string, member: 'connections' | 'cuts' | 'events') =>
  runs.reduce((total, run) => (run.reader === name ? total + run[member] : total), 0)
process.stdout.write(
  [
    `seed ${values.seed}, ${runs.length} runs, node ${process.version}`,
    ...readers.map(({ name }) => {
      const count = runs.filter(({ reader }) => reader === name).length
      return `${name}: ${count} runs, ${sum(name, 'cuts')} cuts, ${sum(name, 'connections')} connections, ${sum(name, 'events')} events`
    }),
    ...violations.slice(0, 20).map((violation) => `VIOLATION  ${violation}`),
    `${violations.length} violations\n`,
  ].join('\n'),
)
process.exit(violations.length === 0 ? 0 : 1)
