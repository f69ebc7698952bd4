import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { readStages, type Stage } from '../support/dockerfile.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const root = resolve(import.meta.dirname, '../..')
const ignored = await readFile(join(root, '.dockerignore'), 'utf8')
const stages = await readStages()
const [simulated, dependencies, served] = stages as [Stage, Stage, Stage]

/** Environment variables that npm needs. */
const npmEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|npm_config_.*|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy)$/i.test(name),
  ),
)

const npm = (folder: string, ...args: string[]) =>
  promisify(execFile)('npm', args, { cwd: folder, env: npmEnvironment })

/**
 * Creates the same files as `npm ci --omit=dev`, from the packages of this project: npm would need ten times as long.
 * The image does not contain the folders of the workspaces, so npm skips them. `npm ls` fails if a package is missing or
 * has a wrong version.
 */
async function installProductionPackages(folder: string): Promise<void> {
  const { stdout } = await npm(root, 'ls', '--omit=dev', '--all', '--parseable', '--no-workspaces')
  for (const path of stdout.trim().split('\n').slice(1)) {
    const target = join(folder, relative(root, path))
    // Nested packages come with the outer one.
    if (!/node_modules.*node_modules/.test(relative(root, path)))
      await cp(path, target, { recursive: true })
  }
  await npm(folder, 'ls', '--omit=dev', '--all')
}

t.test('the images have the version of Node in package.json', async (t) => {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.strictSame(
    stages.map(({ instructions }) => instructions[0]),
    ['AS simulator', 'AS dependencies', ''].map((name) =>
      `FROM node:${devDependencies.node}-slim ${name}`.trim(),
    ),
  )
})

t.test('runs Node as process 1, not as root, and has a health check', async (t) => {
  const { argumentsOf, instructions } = served
  t.strictSame(argumentsOf('USER'), ['node'])
  t.ok(
    instructions.indexOf('USER node') < instructions.findIndex((line) => line.startsWith('CMD ')),
  )
  t.strictSame(JSON.parse(argumentsOf('CMD')[0] ?? ''), [
    'node',
    '--disable-sigusr1',
    'src/server.ts',
  ])
  t.match(argumentsOf('HEALTHCHECK')[0], '/health/live')
  t.ok(argumentsOf('ENV').join(' ').includes('HOST=0.0.0.0'))
})

t.test('copies exactly the files that .dockerignore allows', async (t) => {
  const allowed = ignored
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const copied = stages
    .flatMap(({ argumentsOf }) => argumentsOf('COPY'))
    .filter((copy) => !copy.startsWith('--from'))
    .flatMap((copy) => copy.split(' ').slice(0, -1))
  t.strictSame([...new Set(copied)].sort(), allowed.sort())
})

t.test('builds a service that answers requests', async (t) => {
  const { argumentsOf, instructions } = served
  const image = t.testdir({})
  t.strictSame(dependencies.argumentsOf('RUN'), ['npm ci --omit=dev'])
  await dependencies.copyFiles(image)
  await served.copyFiles(image)
  const { stdout } = await npm(image, 'ci', '--omit=dev', '--dry-run', '--offline')
  t.match(stdout, /^add fastify /m)
  t.notMatch(stdout, /^add (eventsource-parser|@cdf-job-quality)/m, 'without the client package')
  await installProductionPackages(image)
  t.strictSame((await readdir(image)).sort(), [
    '.npmrc',
    'node_modules',
    'openapi.yaml',
    'package-lock.json',
    'package.json',
    'plugins',
    'routes',
    'src',
  ])
  const packages = await readdir(join(image, 'node_modules'))
  for (const tool of [
    'tap',
    'typescript',
    '@biomejs',
    'oidc-provider',
    'node',
    'pino-pretty',
    '@cdf-job-quality',
  ])
    t.notOk(packages.includes(tool), tool)

  const compile = 'node src/server.ts 2>/dev/null || [ $? = 78 ]'
  t.equal(argumentsOf('RUN').at(-1), compile)
  const userAt = instructions.indexOf('USER node')
  t.ok(userAt < instructions.indexOf(`RUN ${compile}`), 'as the user that owns the cache')
  // This folder stands for the folder of the image.
  const workdir = argumentsOf('WORKDIR')[0] ?? ''
  const environment = Object.fromEntries(
    argumentsOf('ENV').flatMap((line) =>
      line
        .replaceAll(`=${workdir}/`, `=${image}/`)
        .split(' ')
        .map((pair) => pair.split('=')),
    ),
  )
  t.equal(await startProcess(t, ['src/server.ts'], environment, { cwd: image }).ended, 78)
  const cache: string = environment.NODE_COMPILE_CACHE
  t.equal(cache, join(image, 'node_modules', '.cache', 'compile'))
  const [ofThisNode = ''] = await readdir(cache)
  t.ok((await readdir(join(cache, ofThisNode))).length > 100, 'contains compiled code')

  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const [, ...script] = JSON.parse(argumentsOf('CMD')[0] ?? '') as string[]
  const { child, ended, url } = startProcess(
    t,
    script,
    {
      ...environment,
      ...simulator.environment,
      AUTH_MODE: 'none',
      AUTH_ALLOW_ANONYMOUS: 'true',
      HOST: '127.0.0.1',
      PORT: '0',
    },
    { cwd: image },
  )
  await until(() => url() !== '')
  t.match(await request(`${url()}/jobs/${JOB_ID}/quality`), {
    status: 200,
    body: { status: 'Completed' },
  })
  t.equal((await request(`${url()}/docs`)).status, 200)

  const check = startProcess(
    t,
    ['src/check.ts'],
    { ...environment, ...simulator.environment },
    { cwd: image },
  )
  t.equal(await check.ended, 0, check.output.stdout)

  const [, healthScript = ''] = argumentsOf('HEALTHCHECK')[0]?.match(/CMD (\[.*\])$/) ?? []
  const [, ...healthArguments] = JSON.parse(healthScript) as string[]
  const health = (port: string) =>
    once(spawn(process.execPath, healthArguments, { env: { PORT: port } }), 'close').then(
      ([code]) => code as number,
    )
  t.equal(await health(new URL(url()).port), 0, 'healthy')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(await health(new URL(url()).port), 1, 'not healthy after the end of the service')
})

t.test('installs all packages for the simulator', async (t) => {
  const image = t.testdir({})
  t.strictSame(simulated.argumentsOf('RUN'), ['npm ci --ignore-scripts'])
  t.strictSame(simulated.argumentsOf('USER'), ['node'])
  await simulated.copyFiles(image)
  const { stdout } = await npm(image, 'ci', '--ignore-scripts', '--dry-run', '--offline')
  t.match(stdout, /^add oidc-provider /m)
})
