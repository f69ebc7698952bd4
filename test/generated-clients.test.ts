import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { callerToken } from '../simulator/caller-token.ts'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { JOB_ID, jobIdOf, startService } from './helper.ts'

const root = resolve(import.meta.dirname, '..')
const clients = join(import.meta.dirname, 'clients')
const generators = join(root, 'node_modules/client-generators/node_modules/.bin')

/**
 * Runs a script with Node, in the folder of the clients: the generators take what they find in the project's folder,
 * such as redocly.yaml, for their own configuration.
 */
async function run(script: string, ...args: string[]): Promise<string> {
  try {
    return (
      await promisify(execFile)(process.execPath, [script, ...args], {
        cwd: clients,
        env: { NO_COLOR: '1' },
      })
    ).stdout
  } catch (error) {
    // A compiler says what is wrong on its standard output.
    const { message, stdout } = error as Error & { stdout: string }
    throw new Error(`${message}\n${stdout}`)
  }
}

await rm(join(clients, 'generated'), { recursive: true, force: true })

t.test('two generators take the contract as it is', async () => {
  await run(
    join(generators, 'openapi-typescript'),
    '../../openapi.yaml',
    '--output=generated/openapi-fetch.ts',
  )
  await run(join(generators, 'openapi-ts'), '--file=openapi-ts.config.json', '--no-log-file')
})

t.test('callers need no cast, and their mistakes do not compile', async (t) => {
  for (const program of ['openapi-fetch.ts', 'hey-api.ts']) {
    const source = await readFile(join(clients, program), 'utf8')
    t.notMatch(source, /\bas\b|\bany\b|\w!|@ts-(ignore|nocheck)/, program)
  }
  await run(join(root, 'node_modules/typescript/lib/tsc.js'), '--project', '.')
})

for (const program of ['openapi-fetch.ts', 'hey-api.ts'])
  t.test(`${program} is told what the service says`, async (t) => {
    const { url, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const answer = await run(program, url, await callerToken(simulator), JOB_ID, jobIdOf(404))
    t.strictSame(JSON.parse(answer), {
      read: '87.50 %',
      again: 304,
      unknown: 'no such job (404)',
      batch: ['87.50 %', 'no such job (404)'],
    })
  })
