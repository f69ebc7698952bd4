import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import t from 'tap'
import { callerToken } from '../../simulator/upstream/caller-token.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'

const root = resolve(import.meta.dirname, '../..')
/** Outside of this project, so that nothing resolves to its packages. */
const folder = await mkdtemp(join(tmpdir(), 'client-package-'))
t.teardown(() => rm(folder, { recursive: true }))
await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')

/** Without the Node and the npm configuration of this project. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|TAP|NODE_)/.test(name)),
)
environment.PATH = environment.PATH?.split(':')
  .filter((path) => !path.includes('node_modules'))
  .join(':')

/** Runs a program without tap's hooks, which NODE_OPTIONS passes on. */
async function run(cwd: string, ...command: string[]): Promise<string> {
  const args = ['-u', 'NODE_OPTIONS', ...command]
  try {
    return (await promisify(execFile)('env', args, { cwd, env: environment })).stdout
  } catch (error) {
    // Compilers write errors to their standard output.
    const { message, stdout } = error as Error & { stdout: string }
    throw new Error(`${message}\n${stdout}`)
  }
}

/** Packs the package in a folder, and returns the path of the file. */
async function pack(path: string, ...options: string[]): Promise<string> {
  const args = ['pack', '--silent', '--pack-destination', folder, ...options]
  const output = await run(join(root, path), 'npm', ...args)
  return `./${output.trim().split('\n').at(-1)}`
}

const USES = `
import type { JobQuality, JobUpdate } from '@cdf-job-quality/client'
import { createClient, isFinal, ProblemError } from '@cdf-job-quality/client'

const client = createClient({ baseUrl: 'http://127.0.0.1:3000', token: async () => 'token' })
const { status, scores }: JobQuality = await client.get('7')
const quality: number | null | undefined = scores?.qualityPercent
const known: boolean = status === 'Running'
const updates: JobUpdate[] = await client.list(['7'], { signal: AbortSignal.timeout(1) })
for await (const update of client.follow(['7'])) {
  const text: string = update.quality ? update.quality.status : update.problem.code
  if (isFinal(update)) break
}
// @ts-expect-error: a list needs several ids.
client.list('7')
// @ts-expect-error: a job has no scores before it is Completed.
scores.qualityPercent
`

const PROGRAM = `
import { createClient, ProblemError } from '@cdf-job-quality/client'

const client = createClient({ baseUrl: process.argv[2] })
const { status } = await client.waitUntilDone('${JOB_ID}')
const followed = []
for await (const { jobId, problem } of client.follow(['${JOB_ID.toUpperCase()}', '7']))
  followed.push([jobId, problem?.code ?? 'no problem'])
const error = await client.get('0012').catch((error) => error)
console.log(JSON.stringify([status, Object.fromEntries(followed), error instanceof ProblemError]))
`

t.test('the packed package has code, types, a README and a license', async (t) => {
  const [client, parser] = [
    await pack('client'),
    await pack('node_modules/eventsource-parser', '--ignore-scripts'),
  ]
  const files = (await run(folder, 'tar', '--list', '--file', client)).trim().split('\n')
  const other = files.filter((name) => !/^package\/dist\/[\w-]+\.(js|d\.ts)$/.test(name))
  t.strictSame(other.sort(), ['package/LICENSE', 'package/README.md', 'package/package.json'])
  // The second file replaces the registry.
  await run(folder, 'npm', 'install', '--silent', '--offline', client, parser)
})

t.test('its types compile in strict projects, with two versions of TypeScript', async (t) => {
  await writeFile(join(folder, 'uses.ts'), USES)
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--skipLibCheck', 'false']
  const compilers = [
    ['typescript/lib/tsc.js', '--module', 'nodenext'],
    [
      'client-generators/node_modules/typescript/lib/tsc.js',
      ...['--module', 'esnext', '--moduleResolution', 'bundler'],
    ],
  ]
  for (const [compiler = '', ...args] of compilers) {
    const path = join(root, 'node_modules', compiler)
    await t.resolves(run(folder, 'node', path, ...options, ...args, 'uses.ts'), compiler)
  }
})

t.test('runs in the Node of this computer', async (t) => {
  const { url, simulator } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await writeFile(join(folder, 'program.js'), PROGRAM)
  t.comment(await run(folder, 'node', '--version'))
  t.strictSame(JSON.parse(await run(folder, 'node', 'program.js', url)), [
    'Completed',
    { [JOB_ID]: 'no problem', 7: 'job-not-found' },
    true,
  ])
})

t.test('the sample in docs/clients.md follows jobs', async (t) => {
  const page = await readFile(join(root, 'docs/clients.md'), 'utf8')
  const [, sample = ''] = page.match(/```ts\n(import \{ createClient \}[^`]*)```/) ?? []
  t.ok(sample.trim().split('\n').length <= 10)
  const { url, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
  const [done = '', unknown = ''] = sample.match(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g) ?? []
  simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
  await writeFile(join(folder, 'sample.js'), sample.replace('http://127.0.0.1:3000', url))
  environment.TOKEN = await callerToken(simulator)
  t.strictSame((await run(folder, 'node', 'sample.js')).trim().split('\n').sort(), [
    `${done} Completed`,
    `${unknown} job-not-found`,
  ])
})

t.test('is smaller than 5 KB for browsers, minified and compressed', async (t) => {
  const { outputFiles, warnings } = await build({
    stdin: { contents: "export * from '@cdf-job-quality/client'", resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'esm',
  })
  t.strictSame(warnings, [])
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).byteLength
  t.comment(`${bytes} bytes`)
  t.ok(bytes > 1_000 && bytes < 5_000, `${bytes} bytes`)
})
