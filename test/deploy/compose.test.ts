import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { DEMO_JOBS } from '../../simulator/demo/jobs.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { loadConfig } from '../../src/config/config.ts'
import { VARIABLES } from '../../src/config/environment.ts'
import { readStages } from '../support/dockerfile.ts'
import { freePort } from '../support/local-server.ts'
import { variablesOf } from '../support/manifests.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFile(join(root, path), 'utf8')
const isVariable = (name: string) => Object.hasOwn(VARIABLES, name)

/** The members that tests read. */
interface ComposeService {
  image: string
  command: string[]
  build: string | { context: string; target: string }
  environment: Record<string, string>
  volumes?: string[]
  ports?: string[]
  network_mode?: string
  depends_on?: object
  healthcheck: { test: string[] }
  stop_grace_period: string
  read_only: boolean
  cap_drop: string[]
  security_opt: string[]
}

/** `compose.yaml`. */
interface Compose {
  services: { simulator: ComposeService; service: ComposeService; valkey: ComposeService }
  volumes: Record<string, object>
}

const composeText = await read('compose.yaml')
const compose: Compose = parse(composeText)

t.test('the service has the environment that the simulator requires', async (t) => {
  const { simulator: simulated, service: served } = compose.services
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const { IDP_CLIENT_SECRET: _secret, ...needed } = simulator.environment
  const { port } = new URL(simulator.url)
  t.match(
    served.environment,
    Object.fromEntries(
      Object.entries(needed).map(([name, value]) => [name, value.replace(port, '3001')]),
    ),
  )
  for (const name of Object.keys(served.environment)) t.ok(isVariable(name), name)
  t.equal(served.environment.IDP_CLIENT_SECRET_FILE, simulated.environment.SIMULATOR_SECRET_FILE)
  t.notOk('IDP_CLIENT_SECRET' in served.environment)
})

t.test(
  'service and simulator share a network whose ports are published on the loopback interface only',
  async (t) => {
    const { simulator: simulated, service: served, valkey } = compose.services
    t.equal(served.network_mode, 'service:simulator')
    t.equal(served.ports, undefined, 'published by the simulator')
    for (const published of simulated.ports ?? []) t.match(published, /^127\.0\.0\.1:\d+:\d+$/)
    t.match(served.depends_on, { simulator: { condition: 'service_healthy', restart: true } })
    t.strictSame(simulated.build, { context: '.', target: 'simulator' })
    t.equal(served.build, '.')
    t.equal(valkey.ports, undefined, 'reachable for the other containers only')
    for (const one of [simulated, served, valkey]) {
      t.equal(one.read_only, true)
      t.strictSame(one.cap_drop, ['ALL'])
      t.strictSame(one.security_opt, ['no-new-privileges:true'])
      for (const volume of (one.volumes ?? []).filter((source) => !source.startsWith('./')))
        t.ok(Object.hasOwn(compose.volumes, volume.split(':')[0] ?? ''), volume)
    }
    const [, graceSeconds] = /^(\d+)s$/.exec(served.stop_grace_period) ?? []
    t.ok(Number(graceSeconds) > Number(VARIABLES.SHUTDOWN_GRACE_MS.default) / 1000)
  },
)

t.test('service and simulator work together', async (t) => {
  const folder = t.testdir({
    secrets: {},
    image: { node_modules: t.fixture('symlink', join(root, 'node_modules')) },
  })
  const free = new Map<string, string>()
  for (const port of ['3000', '3001', '3002', '9464']) free.set(port, String(await freePort()))
  const local: Compose = parse(
    composeText
      .replaceAll(/\b(?:3000|3001|3002|9464)\b/g, (port) => free.get(port) ?? port)
      .replaceAll('/run/identity', join(folder, 'secrets')),
  )
  const { environment, healthcheck } = local.services.simulator
  // This folder stands for the folder of the image of the simulator.
  const image = join(folder, 'image')
  const [stage] = await readStages()
  await stage?.copyFiles(image)
  const [node, ...script] = JSON.parse(stage?.argumentsOf('CMD')[0] ?? '') as string[]
  t.equal(node, 'node')
  const simulator = startProcess(t, script, environment, { cwd: image })
  await until(() => simulator.output.stdout.includes('# curl'))
  const secret = await readFile(environment.SIMULATOR_SECRET_FILE ?? '', 'utf8')
  t.notMatch(simulator.output.stdout, secret)

  const [, , ...check] = healthcheck.test
  const isHealthy = async () => {
    const probe = spawn(process.execPath, check, { cwd: root, env: environment, stdio: 'ignore' })
    const [code] = await once(probe, 'close')
    return code === 0
  }
  t.ok(await isHealthy())

  const service = startProcess(t, ['src/server.ts'], {
    ...local.services.service.environment,
    PORT: free.get('3000') ?? '',
    METRICS_PORT: free.get('9464') ?? '',
  })
  await until(() => service.output.stdout.includes('JWKS fetched'))
  await until(() => service.output.stdout.includes('access token obtained'))
  // The published port.
  const published = `http://127.0.0.1:${free.get('3002')}`
  for (const path of ['/demo', '/demo/client/index.ts', '/demo/eventsource-parser.js'])
    t.equal((await request(published + path)).status, 200, path)
  const { token } = (await request(`${published}/demo/token`)).body as { token: string }
  const [first] = DEMO_JOBS
  t.match(
    await request(`${service.url()}/jobs/${first?.job.jobId}/quality`, {
      headers: { authorization: `Bearer ${token}` },
    }),
    { status: 200, body: { status: 'Completed' } },
  )

  for (const { child, ended } of [service, simulator]) {
    child.kill('SIGTERM')
    t.equal(await ended, 0)
  }
  t.notOk(await isHealthy())
})

t.test('the service shares Valkey, which saves nothing', { skip: skipWithoutRedis }, async (t) => {
  const { service: served, valkey } = compose.services
  t.equal(served.environment.REDIS_URL, 'redis://valkey:6379')
  t.strictSame(valkey.healthcheck.test, ['CMD', 'valkey-cli', 'ping'])
  const [program, ...options] = valkey.command
  t.equal(program, 'valkey-server')
  const redis = await startRedis(t, ...options)
  for (const [name, value] of [
    ['save', ''],
    ['appendonly', 'no'],
    ['maxmemory', `${64 * 1024 ** 2}`],
    ['maxmemory-policy', 'allkeys-lru'],
  ] as const) {
    const reply = await redis.command('CONFIG', 'GET', name)
    t.equal(reply.split('\r\n').at(-2), value, name)
  }
  const service = await startService(t, { environment: { REDIS_URL: redis.url } })
  await until(() => service.logs.some(({ msg }) => msg === 'Redis available'))
  // While the event loop is busy with the start, reads are rejected.
  await until(async () => (await service.quality()).status === 404)
  t.notOk(service.logs.some(({ msg }) => msg === 'Redis rejected a command'))
})

t.test('the simulator prints the environment that the service requires', async (t) => {
  const { child, output, ended } = startProcess(t, ['simulator/demo/serve-simulator.ts'], {
    SIMULATOR_PORT: String(await freePort()),
  })
  await until(() => output.stdout.includes('# curl'))
  const printed = variablesOf(output.stdout)
  for (const name of Object.keys(printed)) t.ok(isVariable(name), name)
  t.equal(loadConfig(printed).cdf.project, 'demo-project')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})
