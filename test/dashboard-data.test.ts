import { execFile, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { Agent } from 'undici'
import { ChaosCaller } from '../simulator/chaos-caller.ts'
import type { Fault } from '../simulator/fault.ts'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import { openEvents } from './event-stream.ts'
import { freePort, jobIdOf, request, startService, until } from './helper.ts'

const DASHBOARD = resolve(import.meta.dirname, '../deploy/grafana/dashboard.json')
/** Between two scrapes; rates want at least two of them within the window. */
const SCRAPE_INTERVAL_MS = 500
const RATE_WINDOW = '5s'
/** Faults that come one after the other, each for a while. */
const FAULTS: readonly (Fault | undefined)[] = [
  undefined,
  { status: 200, body: '{"jobId":"x"}' },
  { status: 403 },
  undefined,
  { status: 500 },
  undefined,
]
const EACH_FAULT_MS = 600

interface Panel {
  title: string
  targets?: { expr: string }[]
}

const skip = await promisify(execFile)('prometheus', ['--version']).then(
  () => false as const,
  () => 'prometheus is not installed',
)

t.test('every panel of the dashboard has data after callers and faults', { skip }, async (t) => {
  const metricsPort = await freePort()
  const { url, app, simulator } = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      METRICS_PORT: String(metricsPort),
      RATE_LIMIT_PER_MINUTE: '0',
    },
  })
  const done = [jobIdOf(1), jobIdOf(2)]
  const pending = ['1', '2', '3']
  for (const jobId of done) simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  // A time that is none is a deviation from the reference.
  for (const jobId of pending) simulator.cdf.addJob(lasting(jobId, 'Running', { statusTime: -1 }))
  await until(() => app.lifeCycle.missing.size === 0)

  const folder = t.testdir({})
  const config = join(folder, 'prometheus.yaml')
  const job = {
    job_name: 'cdf-job-quality',
    static_configs: [{ targets: [`127.0.0.1:${metricsPort}`], labels: { namespace: 'test' } }],
  }
  const global = { scrape_interval: `${SCRAPE_INTERVAL_MS}ms`, scrape_timeout: '400ms' }
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ global, scrape_configs: [job] }))
  const prometheusPort = await freePort()
  const prometheus = spawn('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${prometheusPort}`,
  ])
  t.teardown(() => prometheus.kill('SIGKILL'))

  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  const agent = new Agent({ connections: 20 })
  t.teardown(() => agent.destroy())
  const caller = new ChaosCaller({
    url,
    authorization,
    dispatcher: agent,
    jobs: { done, pending, unknown: ['8', '9'], invalid: ['0012'] },
    maxAnswerMs: 20_000,
    speed: 1,
    random: Math.random,
  })
  const stream = await openEvents(t, `${url}/jobs/${pending[0]}/quality/events`, { authorization })
  let isOver = false
  const keepAsking = async () => {
    while (!isOver) {
      await caller.act()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const asking = Promise.all(Array.from({ length: 10 }, keepAsking))

  const ask = async (expr: string) => {
    const query = new URLSearchParams({
      query: expr
        .replaceAll('$__rate_interval', RATE_WINDOW)
        .replaceAll(/\$(namespace|instance)/g, '.*'),
    })
    const { body } = await request(`http://127.0.0.1:${prometheusPort}/api/v1/query?${query}`)
    return (body as { data: { result: unknown[] } }).data.result
  }
  const isUp = () => ask('sum_over_time(up[1m]) > 4').catch(() => [])
  while ((await isUp()).length === 0) await new Promise((resolve) => setTimeout(resolve, 100))
  for (const fault of FAULTS) {
    simulator.cdf.faults.standing = fault
    await new Promise((resolve) => setTimeout(resolve, EACH_FAULT_MS))
  }

  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as { panels: Panel[] }
  const empty: string[] = []
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) if ((await ask(expr)).length === 0) empty.push(title)
  }
  t.strictSame(empty, [])
  t.strictSame(caller.violations, [])
  isOver = true
  stream.leave()
  await asking
})
