import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { callerToken } from '../../simulator/upstream/caller-token.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'

const root = resolve(import.meta.dirname, '../..')
const clients = join(root, 'test/clients')
const generators = join(root, 'node_modules/client-generators/node_modules/.bin')

/**
 * Runs a script with Node. The folder is that of the clients, because the generators would read the configuration files
 * in the project folder, such as redocly.yaml.
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
    // The compiler writes errors to its standard output.
    const { message, stdout } = error as Error & { stdout: string }
    throw new Error(`${message}\n${stdout}`)
  }
}

await rm(join(clients, 'generated'), { recursive: true, force: true })

t.test('two generators create clients from the contract', async (t) => {
  await Promise.all([
    t.resolves(
      run(
        join(generators, 'openapi-typescript'),
        '../../openapi.yaml',
        '--output=generated/openapi-fetch.ts',
      ),
    ),
    t.resolves(
      run(join(generators, 'openapi-ts'), '--file=openapi-ts.config.json', '--no-log-file'),
    ),
  ])
})

t.test(
  'the clients and the types of the client package compile, without type assertions',
  async (t) => {
    for (const program of ['openapi-fetch.ts', 'hey-api.ts']) {
      const source = await readFile(join(clients, program), 'utf8')
      t.notMatch(source, /\bas\b|\bany\b|\w!|@ts-(ignore|nocheck)/, program)
    }
    await run(join(root, 'node_modules/typescript/lib/tsc.js'), '--project', '.')
  },
)

for (const program of ['openapi-fetch.ts', 'hey-api.ts'])
  t.test(`${program} reads jobs, lists and problems from the service`, async (t) => {
    const { url, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const output = await run(program, url, await callerToken(simulator), JOB_ID, jobIdOf(404))
    t.strictSame(JSON.parse(output), {
      read: '87.50 %',
      again: 304,
      unknown: 'no such job (404)',
      batch: ['87.50 %', 'no such job (404)'],
      // openapi-fetch does not know event streams.
      ...(program === 'hey-api.ts' && { followed: ['87.50 %', 'job-not-found'] }),
    })
  })
