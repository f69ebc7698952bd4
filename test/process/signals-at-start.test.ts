import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const preload = new URL('../support/module-loads.ts', import.meta.url).href
const ARGUMENTS = ['--import', preload, 'src/server.ts']
const ENVIRONMENT = {
  CDF_PROJECT: 'my-project',
  CDF_URL: 'http://127.0.0.1:1',
  IDP_CLIENT_ID: 'client',
  IDP_CLIENT_SECRET: 'very-secret',
  IDP_TOKEN_URL: 'http://127.0.0.1:1/token',
  AUTH_MODE: 'none',
  PORT: '0',
  METRICS_PORT: '0',
}

/** The entry. The next module is the one that loads the service: what the entry itself imports, the preload has loaded. */
const LOADS_OF_ENTRY = 1

const loadsOf = ({ stderr }: { stderr: string }) => stderr.split('loading\n').length - 1

/** Starts the service, and sends a signal when it has loaded this many modules. */
async function signalAfter(t: Test, loads: number, signal: NodeJS.Signals) {
  const { child, output, ended } = startProcess(t, ARGUMENTS, ENVIRONMENT)
  await until(() => loadsOf(output) >= loads)
  child.kill(signal)
  return { code: await ended, output, signal: child.signalCode }
}

t.test('a signal before the first module is loaded ends the process', async (t) => {
  const { child, ended } = startProcess(t, ARGUMENTS, ENVIRONMENT)
  child.kill('SIGTERM')
  await ended
  t.ok(child.exitCode === 0 || child.signalCode === 'SIGTERM')
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} is handled before the service is loaded, and ends it with 0`, async (t) => {
    const { code, output } = await signalAfter(t, LOADS_OF_ENTRY + 1, signal)
    t.equal(code, 0)
    t.match(output.stderr, `Stopped by ${signal} before the service was ready to listen.`)
    t.equal(output.stdout, '', 'without a log line')
  })
}

t.test('SIGTERM at any time of the start ends the process with 0', async (t) => {
  const whole = startProcess(t, ARGUMENTS, ENVIRONMENT)
  await until(() => whole.url() !== '')
  const total = loadsOf(whole.output)
  t.ok(total > 100, `${total} modules`)
  whole.child.kill('SIGTERM')
  t.equal(await whole.ended, 0)
  for (const share of [0.2, 0.6, 0.95]) {
    const { code, output } = await signalAfter(t, Math.ceil(share * total), 'SIGTERM')
    t.equal(code, 0, `after ${share} of the modules`)
    t.match(output.stderr + output.stdout, /Stopped by SIGTERM|"msg":"shutting down"/)
  }
})

for (const [script, started] of [
  ['start', 'listening at'],
  ['demo', 'Press Ctrl-C'],
] as const) {
  t.test(`a signal to npm run ${script} ends the service, not only npm`, async (t) => {
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
    const { child, output, ended, url } = startProcess(
      t,
      [],
      { ...ENVIRONMENT, SIMULATOR_PORT: '0', PATH },
      { command: ['sh', '-c', `exec npm run ${script}`, 'sh'] },
    )
    await until(() => output.stdout.includes(started))
    child.kill('SIGTERM')
    // Standard output closes when the last process ends.
    await ended
    await t.rejects(fetch(`${url()}/health/live`), 'the port is free')
  })
}

/** The `skip` option of a test that needs a PID namespace. */
const withoutNamespace = await promisify(execFile)('unshare', [
  '--fork',
  '--pid',
  '--mount-proc',
  'true',
]).then(
  () => false as const,
  () => 'unshare cannot create a PID namespace here',
)

t.test(
  'SIGTERM during the start ends the process if it is process 1',
  { skip: withoutNamespace },
  async (t) => {
    const { child, output, ended } = startProcess(t, ARGUMENTS, ENVIRONMENT, {
      command: ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child'],
    })
    await until(() => loadsOf(output) > LOADS_OF_ENTRY)
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    process.kill(Number(children), 'SIGTERM')
    t.equal(await ended, 0)
    t.match(output.stderr, 'Stopped by SIGTERM')
  },
)
