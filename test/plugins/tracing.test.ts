import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { type Simulator, startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { openEvents } from '../support/event-stream.ts'
import { CDF_REQUEST_HEADERS, JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startServer } from '../support/local-server.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { request } from '../support/request.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const CALLER_SPAN = 'b7ad6b7169203331'
const ROUTE = '/jobs/:jobId/quality'

let traces = 0
/** A trace id that no other test uses, and the headers of a caller that samples this trace. */
function newTrace() {
  traces += 1
  const traceId = `${traces}`.padStart(32, 'a')
  return { traceId, headers: { traceparent: `00-${traceId}-${CALLER_SPAN}-01` } }
}

/** Starts the service in a child process and waits for its first access token. */
async function startService(t: Test, environment: Record<string, string>, flags: string[] = []) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const tokenTraceparents = recordTokenRequests(simulator)
  const service = startProcess(t, [...flags, 'src/server.ts'], {
    ...simulator.environment,
    AUTH_MODE: 'none',
    PORT: '0',
    METRICS_PORT: '0',
    ...environment,
  })
  await until(() => service.output.stdout.includes('access token obtained'))
  const url = service.url()
  const quality = (jobId = JOB_ID, headers: Record<string, string> = {}) =>
    request(`${url}/jobs/${jobId}/quality`, { headers })
  return { ...service, simulator, tokenTraceparents, quality, url }
}

/** Starts the service with a trace collector. */
async function startTraced(t: Test, environment: Record<string, string> = {}) {
  const collector = await startOtlpReceiver(t)
  const service = await startService(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...environment,
  })
  const serverSpan = async (traceId: string) => {
    const find = () => collector.ofTrace(traceId).find(({ kind }) => kind === 'server')
    await until(() => find() !== undefined)
    return find()
  }
  const clientSpans = (traceId: string) =>
    collector.ofTrace(traceId).filter(({ kind }) => kind === 'client')
  return { ...service, collector, serverSpan, clientSpans }
}

/** Records the `traceparent` of each request to the identity provider. */
function recordTokenRequests({ handlers, identityProvider }: Simulator): (string | undefined)[] {
  const traceparents: (string | undefined)[] = []
  handlers.set('/idp', {
    handle: (request, response) => {
      traceparents.push(request.headersDistinct.traceparent?.join())
      return identityProvider.handle(request, response)
    },
  })
  return traceparents
}

/** The headers of the last request to CDF. */
function headersAtCdf({ cdf }: Simulator): [string, string][] {
  return (cdf.requests.at(-1)?.headers ?? []).map(([name, value]) => [name, value])
}

const traceparentAtCdf = (simulator: Simulator) =>
  headersAtCdf(simulator)
    .filter(([name]) => name === 'traceparent')
    .map(([, value]) => value)
    .join()

// One process for several tests: each has its own trace.
const traced = await startTraced(t)

t.test('continues the trace of the caller through the service to CDF', async (t) => {
  const { quality, simulator, collector, serverSpan, clientSpans } = traced
  const { traceId, headers } = newTrace()
  await quality(JOB_ID, { ...headers, tracestate: 'vendor=a', baggage: 'user=b' })
  const server = await serverSpan(traceId)
  t.match(server, {
    name: `GET ${ROUTE}`,
    parentSpanId: CALLER_SPAN,
    failed: false,
    attributes: { 'http.route': ROUTE, 'http.response.status_code': '200' },
    resource: { 'service.name': 'cdf-job-quality', 'service.version': /^\d+\.\d+\.\d+$/ },
  })
  const [client, ...others] = clientSpans(traceId)
  t.strictSame(others, [])
  t.match(client, {
    name: 'GET',
    parentSpanId: server?.spanId,
    failed: false,
    attributes: { 'http.response.status_code': '200' },
  })
  t.equal(traceparentAtCdf(simulator), `00-${traceId}-${client?.spanId}-01`)
  t.strictSame(
    headersAtCdf(simulator)
      .map(([name]) => name)
      .sort(),
    CDF_REQUEST_HEADERS,
  )
  t.equal(collector.ofTrace(traceId).length, 2)
})

t.test('starts a trace for a request without traceparent and continues it to CDF', async (t) => {
  const { quality, simulator, serverSpan } = traced
  await quality(jobIdOf(1))
  const [, traceId = ''] = traceparentAtCdf(simulator).split('-')
  t.match(await serverSpan(traceId), { parentSpanId: undefined })
})

t.test('continues an unsampled trace without recording spans', async (t) => {
  const { quality, simulator, collector, serverSpan } = traced
  const unsampled = newTrace().traceId
  await quality(jobIdOf(2), { traceparent: `00-${unsampled}-${CALLER_SPAN}-00` })
  t.match(
    traceparentAtCdf(simulator),
    new RegExp(`^00-${unsampled}-(?!${CALLER_SPAN})[0-9a-f]{16}-00$`),
  )
  const { traceId, headers } = newTrace()
  await quality(jobIdOf(2), headers)
  await serverSpan(traceId)
  t.strictSame(collector.ofTrace(unsampled), [])
})

t.test('records one span for a cache hit, and none for a health check', async (t) => {
  const { quality, url, collector, serverSpan } = traced
  await quality()
  const health = newTrace()
  await request(`${url}/health/ready`, health)
  await request(`${url}/health/live`, health)
  const hit = newTrace()
  await quality(JOB_ID, hit.headers)
  await serverSpan(hit.traceId)
  t.equal(collector.ofTrace(hit.traceId).length, 1, 'no client span for a hit')
  t.strictSame(collector.ofTrace(health.traceId), [], 'no span for a health check')
})

t.test(
  'records a token request in the trace of the request that causes it, else in a new trace',
  async (t) => {
    const { quality, simulator, tokenTraceparents, collector, serverSpan, clientSpans } = traced
    const { traceId, headers } = newTrace()
    simulator.cdf.faults.next({ status: 401 })
    await quality(jobIdOf(3), headers)
    const { spanId } = (await serverSpan(traceId)) ?? {}
    const [first, second] = collector.spans.filter(({ name }) => name === 'POST')
    t.equal(first?.parentSpanId, undefined)
    t.not(first?.traceId, traceId)
    t.match(second, { traceId, parentSpanId: spanId, failed: false })
    t.strictSame(tokenTraceparents, [
      `00-${first?.traceId}-${first?.spanId}-01`,
      `00-${traceId}-${second?.spanId}-01`,
    ])
    t.strictSame(
      clientSpans(traceId).map(({ name, parentSpanId }) => [name, parentSpanId]),
      [
        ['GET', spanId],
        ['POST', spanId],
        ['GET', spanId],
      ],
    )
  },
)

t.test('records the polls of a stream in new traces', async (t) => {
  const { url, simulator, collector, clientSpans } = traced
  const { traceId, headers } = newTrace()
  simulator.cdf.addJob(lasting(jobIdOf(4), 'Running'))
  const reads = () =>
    collector.spans.filter(({ kind, name }) => kind === 'client' && name === 'GET')
  const readsBefore = reads().length
  await openEvents(t, `${url}/jobs/${jobIdOf(4)}/quality/events`, headers)
  await until(() => reads().length === readsBefore + 2)
  const [first, second] = reads().slice(readsBefore)
  t.strictSame(clientSpans(traceId), [first])
  t.not(second?.traceId, traceId)
  t.equal(second?.parentSpanId, undefined)
})

t.test('sets the error status of spans for failures, not for responses below 500', async (t) => {
  const { quality, url, simulator, collector } = await startTraced(t, {
    UPSTREAM_ATTEMPT_TIMEOUT_MS: '200',
    UPSTREAM_MAX_ATTEMPTS: '1',
  })
  const { faults } = simulator.cdf
  /** The status of the server span and of the client span after a request. */
  const statusesOf = async (send: (headers: Record<string, string>) => unknown) => {
    const { traceId, headers } = newTrace()
    await send(headers)
    const ofKind = (kind: string) => collector.ofTrace(traceId).find((span) => span.kind === kind)
    await until(() => ofKind('server') !== undefined)
    const statusOf = (kind: string) => {
      const span = ofKind(kind)
      const status = span?.attributes['http.response.status_code'] ?? 'none'
      return span && `${status} ${span.failed ? (span.statusMessage ?? 'error') : 'no error'}`
    }
    return { service: statusOf('server'), cdf: statusOf('client') }
  }
  faults.next({ status: 500 })
  t.strictSame(await statusesOf((headers) => quality(jobIdOf(1), headers)), {
    service: '502 upstream-error',
    cdf: '500 error',
  })
  faults.next('hang')
  t.strictSame(await statusesOf((headers) => quality(jobIdOf(2), headers)), {
    service: '504 upstream-timeout',
    cdf: 'none TimeoutError',
  })
  faults.next({ slowBody: '{"jobId":"a secret of CDF"', everyMs: 20 })
  t.match(await statusesOf((headers) => quality(jobIdOf(3), headers)), {
    service: '504 upstream-timeout',
  })
  faults.next('reset')
  t.match(await statusesOf((headers) => quality(jobIdOf(4), headers)), {
    service: '502 upstream-error',
    cdf: /^none (UND_ERR_SOCKET|ECONNRESET)$/,
  })
  t.strictSame(await statusesOf((headers) => quality(jobIdOf(5), headers)), {
    service: '404 no error',
    cdf: '404 error',
  })
  t.strictSame(await statusesOf((headers) => quality('a-secret', headers)), {
    service: '400 no error',
    cdf: undefined,
  })
  t.strictSame(await statusesOf((headers) => request(`${url}/a-secret?b=a-secret`, { headers })), {
    service: '404 no error',
    cdf: undefined,
  })
  faults.next('hang')
  const disconnect = async (headers: Record<string, string>) => {
    const signal = AbortSignal.timeout(50)
    await request(`${url}/jobs/${jobIdOf(8)}/quality`, { headers, signal }).catch(() => {})
  }
  t.strictSame(
    await statusesOf(disconnect),
    { service: '499 no error', cdf: 'none no error' },
    'a disconnected caller is not an error',
  )
  t.notMatch(collector.received(), /a.secret/)
})

t.test('exports no secrets, and exports the remaining spans at shutdown', async (t) => {
  const { child, ended, output, quality, url, simulator, collector, serverSpan } =
    await startTraced(t, {
      OTEL_BSP_SCHEDULE_DELAY: '60000',
      OTEL_SERVICE_NAME: 'another-name',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collector-secret',
    })
  const { traceId, headers } = newTrace()
  await quality(JOB_ID, { ...headers, authorization: 'Bearer caller-secret' })
  await request(`${url}/jobs/${JOB_ID}/quality?access_token=query-secret`)
  await request(`${url}/jobs/quality?jobId=${JOB_ID}&jobId=${jobIdOf(1)}`)
  t.strictSame(collector.spans, [])
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal((await serverSpan(traceId))?.resource['service.name'], 'another-name')
  t.equal(collector.spans.length, 6)
  const received = collector.received()
  t.match(received, '"x-collector-key":"collector-secret"')
  for (const secret of ['caller-secret', 'query-secret', simulator.identityProvider.clientSecret])
    t.notMatch(received, secret)
  t.notMatch(received, /eyJ|Bearer|jobId=/)
  t.notMatch(output.stdout + output.stderr, 'collector-secret')
})

t.test('waits a short time for an unresponsive collector at shutdown', async (t) => {
  const unresponsive = await startServer(t, () => {})
  const { child, ended, quality } = await startService(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${unresponsive}/v1/traces`,
    OTEL_BSP_SCHEDULE_DELAY: '10',
  })
  t.equal((await quality()).status, 200)
  const startedAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.ok(performance.now() - startedAt < 4_000)
})

/** Reports the loaded packages at exit. */
const REPORT_LOADED = ['--import', new URL('../support/loaded-packages.ts', import.meta.url).href]
const OPENTELEMETRY = /@fastify\/otel|@opentelemetry\/(?!api")/

t.test(
  'loads OpenTelemetry if a collector is configured, and logs it once if unreachable',
  async (t) => {
    let exports = 0
    const collector = await startServer(t, ({ socket }) => {
      exports += 1
      socket.destroy()
    })
    const { child, ended, output, quality } = await startService(
      t,
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collector-secret',
        OTEL_EXPORTER_OTLP_TIMEOUT: '100',
        OTEL_BSP_SCHEDULE_DELAY: '10',
      },
      REPORT_LOADED,
    )
    const lines = () =>
      output.stdout.split('\n').filter((line) => line.includes('span export failed'))
    await until(() => lines().length === 1)
    for (const number of [1, 2, 3]) {
      const before = exports
      t.equal((await quality(jobIdOf(number))).status, 404)
      await until(() => exports > before)
    }
    t.match(lines()[0], 'ECONNRESET')
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    t.equal(lines().length, 1)
    t.notMatch(output.stdout + output.stderr, 'collector-secret')
    t.match(output.stderr, OPENTELEMETRY)
    for (const name of ['fastify/otel', 'instrumentation-undici', 'exporter-trace-otlp-http'])
      t.match(output.stderr, name)
  },
)

const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
for (const environment of [
  { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
  { ...COLLECTOR, OTEL_SDK_DISABLED: 'true' },
  { ...COLLECTOR, OTEL_TRACES_EXPORTER: 'none' },
]) {
  t.test(
    `continues traces without OpenTelemetry with ${JSON.stringify(environment)}`,
    async (t) => {
      const { child, ended, output, quality, url, simulator, tokenTraceparents } =
        await startService(t, environment, REPORT_LOADED)
      const { traceId, headers } = newTrace()
      simulator.cdf.faults.next({ status: 401 })
      t.equal((await quality(JOB_ID, headers)).status, 200)
      const continued = new RegExp(`^00-${traceId}-(?!${CALLER_SPAN})[0-9a-f]{16}-01$`)
      t.match(traceparentAtCdf(simulator), continued)
      const [first, second] = tokenTraceparents
      t.match(first, new RegExp(`^00-(?!${traceId})[0-9a-f]{32}-[0-9a-f]{16}-00$`))
      t.match(second, continued)

      await request(`${url}/jobs/quality?jobId=${jobIdOf(1)}&jobId=${jobIdOf(2)}`)
      const [one, other] = simulator.cdf.requests
        .slice(-2)
        .map(({ headers }) => headers.find(([name]) => name === 'traceparent')?.[1]?.split('-')[1])
      t.match(one, /^[0-9a-f]{32}$/)
      t.equal(one, other, 'one trace for all requests to CDF')

      child.kill('SIGTERM')
      t.equal(await ended, 0)
      t.match(output.stderr, /^loaded: .*"fastify".*\n$/, 'no other output')
      t.notMatch(output.stderr, OPENTELEMETRY)
    },
  )
}
