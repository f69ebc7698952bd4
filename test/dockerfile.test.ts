import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { JOB_ID, request, until } from './helper.ts'
import { startProcess } from './process.ts'

const root = resolve(import.meta.dirname, '..')
const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
const ignored = await readFile(join(root, '.dockerignore'), 'utf8')

/** Each instruction of the Dockerfile, continued lines joined. */
const instructions = dockerfile
  .replaceAll('\\\n', '')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'))
const of = (name: string) =>
  instructions
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1))

/** Environment variables that a command needs to find its programs and the registry. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|npm_config_.*|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy)$/i.test(name),
  ),
)

t.test('pins the major of Node that package.json pins', async (t) => {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const major = devDependencies.node.split('.')[0]
  t.ok(of('FROM').every((image) => image.startsWith(`node:${major}-`)))
})

t.test('runs as a user who is not root, with Node as process 1 and a health check', async (t) => {
  t.strictSame(of('USER'), ['node'])
  t.ok(
    instructions.indexOf('USER node') < instructions.findIndex((line) => line.startsWith('CMD ')),
  )
  t.strictSame(JSON.parse(of('CMD')[0] ?? ''), ['node', 'src/server.ts'])
  t.match(of('HEALTHCHECK')[0], '/health/live')
  t.ok(of('ENV').join(' ').includes('HOST=0.0.0.0'))
})

t.test('copies only what .dockerignore lets through', async (t) => {
  const allowed = ignored
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const copied = of('COPY')
    .filter((copy) => !copy.startsWith('--from'))
    .flatMap((copy) => copy.split(' ').slice(0, -1))
  t.strictSame([...new Set(copied)].sort(), allowed.sort())
})

t.test('what it copies and installs answers', async (t) => {
  const image = t.testdir({})
  const [install] = of('RUN')
  t.equal(install, 'npm ci --omit=dev')

  // In the order of the Dockerfile; what comes from the first stage is already where it belongs.
  for (const copy of of('COPY').filter((line) => !line.startsWith('--from'))) {
    const parts = copy.split(' ')
    const target = parts.pop() ?? ''
    for (const source of parts) {
      const destination = join(image, target.endsWith('/') ? join(target, source) : target)
      await mkdir(dirname(destination), { recursive: true })
      await cp(join(root, source), destination, { recursive: true })
    }
  }
  await promisify(execFile)('npm', ['ci', '--omit=dev'], { cwd: image, env: inherited })
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
  for (const tool of ['tap', 'typescript', '@biomejs', 'oidc-provider', 'node', 'pino-pretty'])
    t.notOk(packages.includes(tool), tool)

  const compile = 'node src/server.ts 2>/dev/null || [ $? = 78 ]'
  t.equal(of('RUN').at(-1), compile)
  const userAt = instructions.indexOf('USER node')
  t.ok(userAt < instructions.indexOf(`RUN ${compile}`), 'by the user whose cache it is')
  // What is below the folder of the image is below this one here.
  const workdir = of('WORKDIR')[0] ?? ''
  const environment = Object.fromEntries(
    of('ENV').flatMap((line) =>
      line
        .replaceAll(`=${workdir}/`, `=${image}/`)
        .split(' ')
        .map((pair) => pair.split('=')),
    ),
  )
  t.equal(await startProcess(t, ['src/server.ts'], environment, image).ended, 78)
  const cache: string = environment.NODE_COMPILE_CACHE
  t.equal(
    cache,
    join(image, 'node_modules', '.cache', 'compile'),
    'where the service itself keeps it',
  )
  const [ofThisNode = ''] = await readdir(cache)
  t.ok((await readdir(join(cache, ofThisNode))).length > 100, 'what is compiled is kept')

  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const [, ...script] = JSON.parse(of('CMD')[0] ?? '') as string[]
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
    image,
  )
  await until(() => url() !== '')
  t.match(await request(`${url()}/jobs/${JOB_ID}/quality`), {
    status: 200,
    body: { status: 'Completed' },
  })
  t.equal((await request(`${url()}/docs`)).status, 200)

  const [, healthScript = ''] = of('HEALTHCHECK')[0]?.match(/CMD (\[.*\])$/) ?? []
  const [, ...healthArguments] = JSON.parse(healthScript) as string[]
  const health = (port: string) =>
    once(spawn(process.execPath, healthArguments, { env: { PORT: port } }), 'close').then(
      ([code]) => code as number,
    )
  t.equal(await health(new URL(url()).port), 0, 'healthy')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(await health(new URL(url()).port), 1, 'not healthy once it is gone')
})
