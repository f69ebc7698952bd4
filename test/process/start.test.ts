import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

/** The packages that the service loads for a request to this path and a request for a job. */
async function loadedFor(
  t: Test,
  path: string,
  environment: Record<string, string> = {},
): Promise<string[]> {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const preload = new URL('../support/loaded-packages.ts', import.meta.url).href
  const { child, ended, output, url } = startProcess(t, ['--import', preload, 'src/server.ts'], {
    ...simulator.environment,
    PORT: '0',
    METRICS_PORT: `${await freePort()}`,
    ...environment,
  })
  await until(() => url() !== '')
  await until(async () => (await request(`${url()}/health/ready`)).status === 200)
  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  // While the event loop is busy with the start, reads are rejected.
  const jobUrl = `${url()}/jobs/1/quality`
  await until(async () => (await request(jobUrl, { headers: { authorization } })).status === 404)
  t.equal((await request(url() + path)).status, 200)
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  return JSON.parse(output.stderr.match(/^loaded: (.*)$/m)?.[1] ?? '[]')
}

/** Used by Swagger UI, and with `REDIS_URL`. */
const ON_DEMAND = ['@fastify/swagger-ui', '@fastify/static', '@redis/client']

t.test(
  'loads Swagger UI on first use, the client of Redis with REDIS_URL, and no development dependency',
  async (t) => {
    const loaded = await loadedFor(t, '/health/live')
    t.ok(loaded.includes('fastify') && loaded.includes('undici'), 'the test sees loaded packages')
    for (const name of [...ON_DEMAND, 'typebox']) t.notOk(loaded.includes(name), name)
    const loadedOnDemand = await loadedFor(t, '/docs', {
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    })
    for (const name of ON_DEMAND) t.ok(loadedOnDemand.includes(name), name)
  },
)

t.test('keeps compiled code in node_modules for the next start', async (t) => {
  const preload = `import { getCompileCacheDir } from 'node:module'
    process.on('exit', () => console.log('compile cache:', getCompileCacheDir()))`
  // Without a configuration, the service exits with 78.
  const { ended, output } = startProcess(
    t,
    ['--import', `data:text/javascript,${encodeURIComponent(preload)}`, 'src/server.ts'],
    { NODE_COMPILE_CACHE: '' },
  )
  t.equal(await ended, 78)
  const [, folder = ''] = output.stdout.match(/^compile cache: (.*)$/m) ?? []
  t.match(folder, resolve('node_modules/.cache/compile'))
  t.ok((await readdir(folder)).length > 100, 'contains compiled code')
})
