import type { Test } from 'tap'
import t from 'tap'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

/** The packages that the service loads for a request to this path and a request for a job. */
async function loadedFor(t: Test, path: string): Promise<string[]> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const preload = new URL('../support/loaded-packages.ts', import.meta.url).href
  const { child, ended, output, url } = startProcess(t, ['--import', preload, 'src/server.ts'], {
    ...simulator.environment,
    PORT: '0',
    METRICS_PORT: `${await freePort()}`,
  })
  await until(() => url() !== '')
  await until(async () => (await request(`${url()}/health/ready`)).status === 200)
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

/** Used by Swagger UI only. */
const ON_DEMAND = ['@fastify/swagger-ui', '@fastify/static']

t.test('loads Swagger UI on first use, and no development dependency', async (t) => {
  const loaded = await loadedFor(t, '/health/live')
  t.ok(loaded.includes('fastify') && loaded.includes('undici'), 'the test sees loaded packages')
  for (const name of [...ON_DEMAND, 'typebox']) t.notOk(loaded.includes(name), name)
  const loadedForDocs = await loadedFor(t, '/docs')
  for (const name of ON_DEMAND) t.ok(loadedForDocs.includes(name), name)
})
