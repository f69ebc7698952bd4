import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { METRICS } from '../support/metric-names.ts'
import { request } from '../support/request.ts'
import { skipWithout } from '../support/skip-without.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** What Prometheus sends. */
const SCRAPE_HEADERS = {
  accept:
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
  'accept-encoding': 'gzip',
  'user-agent': 'Prometheus/2.42.0',
  'x-prometheus-scrape-timeout-seconds': '10',
}

/** The metrics of a service that has had every kind of traffic. */
async function scrape(t: Test): Promise<string> {
  const port = await freePort()
  const { app, url, quality, get, simulator } = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      METRICS_PORT: String(port),
      // Its metrics exist without a connection.
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
    },
  })
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  const token = await simulator.identityProvider.signCallerToken()
  const authorization = { authorization: `Bearer ${token}` }
  simulator.cdf.addJob(lasting('1', 'Completed', SCORES))
  // A negative time deviates from the API reference.
  simulator.cdf.addJob(lasting(JOB_ID, 'Running', { statusTime: -1 }))
  for (const jobId of ['1', '1', '2', '0012']) await quality(jobId, authorization)
  await quality()
  await get('/nope')
  const stream = await openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`, authorization)
  await until(() => stream.events.length === 1)
  const { status, headers, text } = await request(`http://127.0.0.1:${port}/metrics`, {
    headers: SCRAPE_HEADERS,
  })
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  return text
}

t.test('a scrape has samples of every metric of the service', async (t) => {
  const text = await scrape(t)
  for (const [name, { type }] of Object.entries(METRICS)) {
    const series = type === 'histogram' ? `${name}_count` : name
    t.match(text, new RegExp(`^${series}(?:\\{.*\\})? \\S+$`, 'm'), name)
  }
})

t.test(
  'promtool has nothing to criticize in a scrape',
  { skip: await skipWithout('promtool', '--version') },
  async (t) => {
    const checking = promisify(execFile)('promtool', ['check', 'metrics'])
    checking.child.stdin?.end(await scrape(t))
    const { stdout, stderr } = await checking.catch(
      (error: { stdout: string; stderr: string }) => error,
    )
    t.equal(stdout + stderr, '')
  },
)
