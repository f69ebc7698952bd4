import type { Test } from 'tap'
import t from 'tap'
import { startSimulator } from '../simulator/start-simulator.ts'
import { freePort, request, until } from './helper.ts'
import { startProcess } from './process.ts'

/** The packages that the service has loaded when it has answered this, and an answer about a job. */
async function loadedFor(t: Test, path: string): Promise<string[]> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const preload = new URL('loaded-packages.ts', import.meta.url).href
  const { child, ended, output, url } = startProcess(t, ['--import', preload, 'src/server.ts'], {
    ...simulator.environment,
    PORT: '0',
    METRICS_PORT: `${await freePort()}`,
  })
  await until(() => url() !== '')
  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  const answers = await Promise.all([
    request(url() + path),
    request(`${url()}/jobs/1/quality`, { headers: { authorization } }),
  ])
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 404],
  )
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  return JSON.parse(output.stderr.match(/^loaded: (.*)$/m)?.[1] ?? '[]')
}

/** What compiles schemas and what makes the contract of them: half of the start, if it were loaded. */
const ON_DEMAND = ['@fastify/swagger', '@fastify/swagger-ui', '@fastify/static', 'yaml']
const NEVER = ['ajv', '@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'typebox']
/** With the index of prom-client; the first of them with what measures the process, which the first scrape loads. */
const FOR_METRICS = ['@opentelemetry/api', 'tdigest']

t.test('an answer about a job needs no contract, and nothing that measures', async (t) => {
  const loaded = await loadedFor(t, '/health/live')
  t.ok(loaded.includes('fastify') && loaded.includes('undici'), 'it sees what is loaded')
  for (const name of [...ON_DEMAND, ...NEVER, ...FOR_METRICS]) {
    t.notOk(loaded.includes(name), name)
  }
})

t.test('Swagger UI is there when somebody asks', async (t) => {
  const loaded = await loadedFor(t, '/docs')
  for (const name of ON_DEMAND) t.ok(loaded.includes(name), name)
  for (const name of NEVER) t.notOk(loaded.includes(name), name)
})
