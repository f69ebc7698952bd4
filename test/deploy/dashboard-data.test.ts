import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { Agent } from 'undici'
import { ChaosCaller } from '../../simulator/chaos/caller.ts'
import type { Fault } from '../../simulator/upstream/fault.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { request } from '../support/request.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const DASHBOARD = resolve(import.meta.dirname, '../../deploy/grafana/dashboard.json')
/** A rate needs at least two scrapes within its window. */
const SCRAPE_INTERVAL_MS = 500
const RATE_WINDOW = '5s'
/** Faults of CDF, one after the other. */
const FAULTS: readonly (Fault | undefined)[] = [
  undefined,
  { status: 200, body: '{"jobId":"x"}' },
  { status: 403 },
  undefined,
  { status: 500 },
  undefined,
]
/** A real Prometheus scrapes on its own clock: each fault must last for several scrapes. */
const FAULT_MS = 600

interface Panel {
  title: string
  targets?: { expr: string }[]
}

const skip = (await skipWithout('prometheus', '--version')) || skipWithoutRedis

t.test('every panel of the dashboard shows data after requests and faults', { skip }, async (t) => {
  const metricsPort = await freePort()
  const { url, app, simulator } = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      METRICS_PORT: String(metricsPort),
      RATE_LIMIT_PER_MINUTE: '0',
      REDIS_URL: (await startRedis(t)).url,
    },
  })
  const done = [jobIdOf(1), jobIdOf(2)]
  const pending = ['1', '2', '3']
  for (const jobId of done) simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  // A negative time is a deviation from the API reference.
  for (const jobId of pending) simulator.cdf.addJob(lasting(jobId, 'Running', { statusTime: -1 }))
  await until(() => app.lifeCycle.readinessBlockers.size === 0)

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

  const accessToken = await simulator.identityProvider.signCallerToken()
  const authorization = `Bearer ${accessToken}`
  const agent = new Agent({ connections: 20 })
  t.teardown(() => agent.destroy())
  const caller = new ChaosCaller({
    urls: [url],
    accessToken,
    dispatcher: agent,
    jobs: { done, pending, unknown: ['8', '9'], invalid: ['0012'] },
    maxResponseMs: 20_000,
    speed: 1,
    random: Math.random,
  })
  const stream = await openEvents(t, `${url}/jobs/${pending[0]}/quality/events`, { authorization })
  let isDone = false
  const sendRequests = async () => {
    while (!isDone) {
      await caller.sendRandomRequest()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const load = Promise.all(Array.from({ length: 4 }, sendRequests))

  const query = async (expr: string) => {
    const parameters = new URLSearchParams({
      query: expr
        .replaceAll('$__rate_interval', RATE_WINDOW)
        .replaceAll(/\$(namespace|instance)/g, '.*'),
    })
    const { body } = await request(`http://127.0.0.1:${prometheusPort}/api/v1/query?${parameters}`)
    return (body as { data: { result: unknown[] } }).data.result
  }
  const isUp = async () => (await query('sum_over_time(up[1m]) > 4').catch(() => [])).length > 0
  await until(isUp)
  for (const fault of FAULTS) {
    simulator.cdf.faults.standing = fault
    await new Promise((resolve) => setTimeout(resolve, FAULT_MS))
  }

  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as { panels: Panel[] }
  const empty: string[] = []
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) if ((await query(expr)).length === 0) empty.push(title)
  }
  t.strictSame(empty, [])
  t.strictSame(caller.violations, [])
  isDone = true
  stream.close()
  await load
})
