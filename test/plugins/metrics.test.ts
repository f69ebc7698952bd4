import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { fixtureFault, JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { type ServiceOptions, startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** One sample of the text format. */
interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** A service with its metrics: `scrape` reads the text, `value` one sample. */
async function startMeasured(t: Test, options: ServiceOptions = {}) {
  const port = await freePort()
  const service = await startService(t, {
    ...options,
    environment: { METRICS_PORT: String(port), ...options.environment },
  })
  const url = `http://127.0.0.1:${port}/metrics`
  const scrape = async () => {
    const { text } = await request(url)
    return text
  }
  const samples = async (): Promise<Sample[]> =>
    (await scrape())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
        if (name === '') throw new Error(`no sample: ${line}`)
        return {
          name,
          labels: Object.fromEntries(
            [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, label]) => [key, label]),
          ),
          value: Number(value),
        }
      })
  const value = async (name: string, labels: Record<string, string> = {}) =>
    (await samples()).find(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([key, label]) => sample.labels[key] === label),
    )?.value
  await until(() => service.app.lifeCycle.readinessBlockers.size === 0)
  return { ...service, metricsUrl: url, scrape, samples, value }
}

t.test('serves only GET /metrics, on a separate port', async (t) => {
  const { metricsUrl, get } = await startMeasured(t)
  const metrics = await request(metricsUrl)
  t.equal(metrics.status, 200)
  t.match(metrics.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.match((await request(`${metricsUrl}?x=y`)).text, /^cdf_job_quality_ready 1$/m)
  for (const url of [metricsUrl, `${metricsUrl}?x=y`]) {
    const head = await request(url, { method: 'HEAD' })
    t.match(head, { status: 200, text: '' })
    t.equal(head.headers.get('content-type'), metrics.headers.get('content-type'))
    for (const [method, status] of [
      ['OPTIONS', 204],
      ['POST', 405],
      ['PUT', 405],
    ] as const) {
      const answer = await request(url, { method })
      t.match(answer, { status, text: '' }, method)
      t.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS', method)
    }
  }
  for (const path of ['/', '/?/metrics', '/metrics/', '/metricsx', '//metrics', '/health/live']) {
    for (const method of ['GET', 'POST', 'OPTIONS'])
      t.equal((await request(new URL(metricsUrl).origin + path, { method })).status, 404, path)
  }
  t.equal((await get('/metrics')).status, 404, 'callers do not see them')
})

t.test('counts requests by route and status, and problems by code', async (t) => {
  const { quality, get, url, simulator, value, samples } = await startMeasured(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await quality()
  await quality()
  await quality('0012')
  await get('/nowhere')
  for (const path of [`/jobs/${JOB_ID}/quality`, '/jobs/nowhere', '/nowhere'])
    await request(url + path, { method: 'POST' })
  const count = (labels: Record<string, string>) =>
    value('http_request_duration_seconds_count', labels)
  const route = '/jobs/:jobId/quality'
  t.equal(await count({ method: 'GET', route, status: '200', mode: 'plain' }), 2)
  t.equal(await count({ route, status: '400' }), 1)
  t.equal(await count({ route: 'none', status: '404', method: 'GET' }), 1)
  t.equal(await count({ route, status: '405', method: 'POST' }), 1)
  t.equal(await count({ route: 'none', status: '404', method: 'POST' }), 2)
  t.equal(await value('cdf_job_quality_problems_total', { code: 'invalid-job-id' }), 1)
  t.equal(await value('cdf_job_quality_problems_total', { code: 'not-found' }), 3)
  t.notOk(
    (await samples()).some(({ labels }) =>
      Object.values(labels).some((label) => /0012|6f1c|nowhere/.test(label)),
    ),
    'labels hold no input of callers',
  )
})

t.test('counts rare methods under one label', async (t) => {
  const { url, value, samples } = await startMeasured(t)
  for (const method of ['PROPFIND', 'M-SEARCH', 'PUT', 'OPTIONS']) {
    for (const path of ['/health/live', '/nowhere']) await request(url + path, { method })
  }
  const count = (labels: Record<string, string>) =>
    value('http_request_duration_seconds_count', labels)
  t.equal(await count({ method: 'other', route: '/health/live', status: '405' }), 3)
  t.equal(await count({ method: 'other', route: 'none', status: '404' }), 3)
  t.equal(await count({ method: 'OPTIONS', route: '/health/live', status: '204' }), 1)
  const methods = new Set((await samples()).map(({ labels }) => labels.method))
  t.notOk(methods.has('PROPFIND') || methods.has('M-SEARCH') || methods.has('PUT'))
})

t.test('counts reads by cache outcome', async (t) => {
  const { quality, simulator, value } = await startMeasured(t, {
    environment: { JOB_STATUS_FRESH_MS: '0' },
  })
  simulator.cdf.addJob(lasting('1', 'Completed', SCORES))
  simulator.cdf.addJob(lasting('2', 'Running'))
  await quality('1')
  await quality('1')
  await quality('2')
  simulator.cdf.faults.next({ delayMs: 50 })
  await Promise.all([quality('2'), quality('2')])
  simulator.cdf.faults.next({ status: 500 })
  await quality('2')
  await quality('3')
  await quality('3')
  for (const [outcome, count] of [
    ['hit', 1],
    ['miss', 3],
    ['stale', 1],
    ['collapsed', 1],
    ['stale-if-error', 1],
    ['negative', 1],
  ] as const) {
    t.equal(await value('cdf_job_quality_cache_outcomes_total', { outcome }), count, outcome)
  }
  for (const kind of ['done', 'pending', 'not-found']) {
    t.equal(await value('cdf_job_quality_cache_entries', { kind }), 1, kind)
  }
})

t.test('counts the read that ends a wait', async (t) => {
  const { url, simulator, value } = await startMeasured(t)
  simulator.cdf.addJob(lasting('1', 'Completed', SCORES))
  for (const jobId of ['1', '2']) {
    const stream = await openEvents(t, `${url}/jobs/${jobId}/quality/events`)
    await until(stream.hasEnded)
  }
  t.equal(await value('cdf_job_quality_cache_outcomes_total', { outcome: 'miss' }), 2)
})

t.test('measures requests to CDF by their outcome', async (t) => {
  const { quality, simulator, value } = await startMeasured(t)
  simulator.cdf.addJob(lasting('1', 'Completed', SCORES))
  await quality('1')
  await quality('2')
  simulator.cdf.faults.next({ status: 503 }, { status: 429 })
  await quality('3')
  const count = (outcome: string) =>
    value('cdf_job_quality_upstream_request_duration_seconds_count', { outcome })
  t.equal(await count('ok'), 1)
  t.equal(await count('job-not-found'), 1)
  t.equal(await count('upstream-error'), 1)
  t.equal(await count('upstream-throttled'), 1)
  t.equal(await value('cdf_job_quality_upstream_concurrency_limit'), 4, 'halved by the 429')
  t.ok(((await value('cdf_job_quality_cool_down_seconds')) ?? 0) > 0)
})

t.test('reports the queue for CDF and the state of the circuit breaker', async (t) => {
  const { quality, simulator, value, clock } = await startMeasured(t, {
    clock: 'fake',
    environment: { UPSTREAM_MAX_CONCURRENCY: '1', UPSTREAM_MAX_ATTEMPTS: '1' },
  })
  const state = (state: string) => value('cdf_job_quality_circuit_breaker_state', { state })
  t.equal(await state('closed'), 1)
  simulator.cdf.faults.next('hang')
  const waiting = [quality('1'), quality('2'), quality('3')]
  await until(() => simulator.cdf.requests.length === 1)
  while ((await value('cdf_job_quality_upstream_queue_length')) !== 2);
  t.equal(await value('cdf_job_quality_upstream_requests_in_flight'), 1)
  await Promise.all(waiting)
  simulator.cdf.faults.standing = { status: 500 }
  for (const jobId of ['4', '5', '6', '7', '8']) await quality(jobId)
  t.strictSame([await state('open'), await state('closed')], [1, 0])
  clock.advance(5_001)
  t.equal(await state('half-open'), 1)
})

t.test('counts fields that deviate from the reference', async (t) => {
  const { quality, simulator, value } = await startMeasured(t)
  simulator.cdf.faults.next(fixtureFault('estimate-completed-renamed-score.json'))
  await quality()
  t.ok(await value('cdf_job_quality_contract_deviations_total', { field: 'qualityScorePercent' }))
})

t.test('reports the age of the token and of the JWKS, and readiness', async (t) => {
  const { value, clock, app } = await startMeasured(t, {
    clock: 'fake',
    environment: { AUTH_MODE: 'jwt' },
  })
  clock.advance(100_000)
  t.equal(await value('cdf_job_quality_access_token_age_seconds'), 100)
  t.equal(await value('cdf_job_quality_jwks_age_seconds'), 100)
  t.equal(await value('cdf_job_quality_token_requests_total', { outcome: 'success' }), 1)
  t.equal(await value('cdf_job_quality_jwks_fetches_total', { outcome: 'success' }), 1)
  t.equal(await value('cdf_job_quality_ready'), 1)
  app.lifeCycle.drain()
  t.equal(await value('cdf_job_quality_ready'), 0)
})

t.test('reports NaN for the age of a missing token and JWKS', async (t) => {
  const port = await freePort()
  const { app } = await startService(t, {
    environment: { AUTH_MODE: 'jwt', METRICS_PORT: String(port) },
    prepare: ({ identityProvider }) => {
      identityProvider.faults.standing = { status: 500 }
    },
  })
  const text = await app.metrics.text()
  t.match(text, /^cdf_job_quality_access_token_age_seconds nan$/im)
  t.match(text, /^cdf_job_quality_jwks_age_seconds nan$/im)
  t.match(text, /^cdf_job_quality_ready 0$/m)
})

t.test('counts watched jobs, watchers and streams', async (t) => {
  const { url, quality, simulator, value, app } = await startMeasured(t)
  for (const jobId of [JOB_ID, jobIdOf(1)]) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const streams = [
    await openEvents(t, `${url}/jobs/quality/events?jobId=${JOB_ID}&jobId=${jobIdOf(1)}`),
    await openEvents(t, `${url}/jobs/${JOB_ID}/quality/events`),
  ]
  const waiting = quality(JOB_ID, { prefer: 'wait=25' })
  await until(() => app.jobPoller.sizes.watchers === 4)
  t.equal(await value('cdf_job_quality_watched_jobs'), 2)
  t.equal(await value('cdf_job_quality_watchers'), 4)
  t.equal(await value('cdf_job_quality_streams'), 2)
  app.lifeCycle.drain()
  await waiting
  await until(() => streams.every(({ hasEnded }) => hasEnded()))
  await until(() => app.jobPoller.sizes.watchers === 0)
  for (const name of ['watched_jobs', 'watchers', 'streams']) {
    t.equal(await value(`cdf_job_quality_${name}`), 0)
  }
  const count = (mode: string) => value('http_request_duration_seconds_count', { mode })
  t.equal(await count('stream'), 1)
  t.equal(await count('wait'), 1)
})

t.test('follows the naming conventions of Prometheus', async (t) => {
  const { scrape } = await startMeasured(t)
  const text = await scrape()
  const types = Object.fromEntries(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]),
  )
  t.ok(Object.keys(types).length > 40)
  for (const [name, type] of Object.entries(types)) {
    t.match(
      text,
      new RegExp(`^# HELP ${name} \\S+ .+$|^# HELP ${name} \\S{5,}`, 'm'),
      `help of ${name}`,
    )
    // The default metrics of prom-client keep their well-known names.
    if (!/^(cdf_job_quality|http)_/.test(name)) continue
    t.match(name, /^[a-z][a-z0-9_]*$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`)
    t.notMatch(name, /_(count|sum|bucket|gauge|counter|histogram)$/)
    t.notMatch(name, /(milli|micro|nano)seconds|_ms_|_ms$|minutes|percent|kilobytes/)
    if (type === 'histogram') t.match(name, /_seconds$/)
  }
  t.match(text, /^process_resident_memory_bytes \d/m)
  t.match(text, /^nodejs_eventloop_lag_p99_seconds \S/m)
  t.match(text, /^cdf_job_quality_build_info\{version="[\d.]+",node="v26[\d.]+"\} 1$/m)
})

t.test('has samples of the event loop soon after the start', async (t) => {
  const { samples } = await startMeasured(t)
  const names = ['min', 'mean', 'p99', 'max'].map((name) => `nodejs_eventloop_lag_${name}_seconds`)
  // Node takes a sample each 10 ms, and each scrape starts anew.
  await until(async () => {
    const lags = (await samples()).filter(({ name }) => names.includes(name))
    return lags.length === names.length && lags.every(({ value }) => value > 0 && value < 60)
  })
  t.pass('all of them')
})

t.test('serves while the metrics port is in use, and listens on it when it is free', async (t) => {
  const port = await freePort()
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
  let failedAttempts = 0
  const countFailure = () => {
    failedAttempts += 1
  }
  subscribe('tracing:net.server.listen:error', countFailure)
  t.teardown(() => unsubscribe('tracing:net.server.listen:error', countFailure))
  const { quality, simulator, logs } = await startService(t, {
    environment: { METRICS_PORT: String(port) },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  t.equal((await quality()).status, 200)
  await until(() => failedAttempts >= 2)
  const lines = logs.filter(({ msg }) => msg === 'metrics listener failed')
  t.match(lines, [{ reason: 'METRICS_PORT is in use by another process (EADDRINUSE)', port }])
  t.equal(lines.length, 1, 'one line for all attempts')
  await new Promise((resolve) => taken.close(resolve))
  let status = 0
  while (status !== 200) {
    status = await request(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.status,
      () => 0,
    )
  }
  t.equal(status, 200)
})
