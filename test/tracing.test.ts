import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../simulator/simulated-job.ts'
import type { Simulator } from '../simulator/start-simulator.ts'
import { startSimulator } from '../simulator/start-simulator.ts'
import { openEvents } from './event-stream.ts'
import { freePort, HEADERS_AT_CDF, JOB_ID, jobIdOf, request, until } from './helper.ts'
import { startOtlpReceiver } from './otlp-receiver.ts'
import { startProcess } from './process.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const FROM_CALLER = { traceparent: `00-${TRACE}-${CALLER}-01` }
const ROUTE = '/jobs/:jobId/quality'

/** The service as a process, once it has its token, and whatever traceparent the identity provider has got. */
async function startService(t: Test, environment: Record<string, string>, flags: string[] = []) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const exchanges = recordExchanges(simulator)
  const service = startProcess(t, [...flags, 'src/server.ts'], {
    ...simulator.environment,
    AUTH_MODE: 'none',
    PORT: '0',
    METRICS_PORT: '0',
    ...environment,
  })
  await until(() => service.output.stdout.includes('new access token'))
  const quality = (jobId = JOB_ID, headers: Record<string, string> = FROM_CALLER) =>
    request(`${service.url()}/jobs/${jobId}/quality`, { headers })
  return { ...service, simulator, exchanges, quality, url: service.url() }
}

/** The same, with a collector. */
async function startTraced(t: Test, environment: Record<string, string> = {}) {
  const collector = await startOtlpReceiver(t)
  const service = await startService(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    ...environment,
  })
  const serverSpan = async (traceId = TRACE) => {
    const find = () => collector.ofTrace(traceId).find(({ kind }) => kind === 'server')
    await until(() => find() !== undefined)
    return find()
  }
  const clientSpans = (traceId = TRACE) =>
    collector.ofTrace(traceId).filter(({ kind }) => kind === 'client')
  return { ...service, collector, serverSpan, clientSpans }
}

function recordExchanges({ handlers, identityProvider }: Simulator): (string | undefined)[] {
  const traceparents: (string | undefined)[] = []
  handlers.set('/idp', {
    handle: (request, response) => {
      traceparents.push(request.headersDistinct.traceparent?.join())
      return identityProvider.handle(request, response)
    },
  })
  return traceparents
}

/** The headers of the last call that CDF has got. */
function headersAtCdf({ cdf }: Simulator): [string, string][] {
  return (cdf.requests.at(-1)?.headers ?? []).map(([name, value]) => [name, value])
}

const traceparentAtCdf = (simulator: Simulator) =>
  headersAtCdf(simulator)
    .filter(([name]) => name === 'traceparent')
    .map(([, value]) => value)
    .join()

t.test('a trace goes on from the caller over the service to CDF', async (t) => {
  const { quality, simulator, collector, serverSpan, clientSpans } = await startTraced(t)
  await quality(JOB_ID, { ...FROM_CALLER, tracestate: 'vendor=a', baggage: 'user=b' })
  const server = await serverSpan()
  t.match(server, {
    name: `GET ${ROUTE}`,
    parentSpanId: CALLER,
    failed: false,
    attributes: { 'http.route': ROUTE, 'http.response.status_code': '200' },
    resource: { 'service.name': 'cdf-job-quality', 'service.version': /^\d+\.\d+\.\d+$/ },
  })
  const [client, ...others] = clientSpans()
  t.strictSame(others, [])
  t.match(client, {
    name: 'GET',
    parentSpanId: server?.spanId,
    failed: false,
    attributes: { 'http.response.status_code': '200' },
  })
  t.equal(traceparentAtCdf(simulator), `00-${TRACE}-${client?.spanId}-01`)
  t.strictSame(
    headersAtCdf(simulator)
      .map(([name]) => name)
      .sort(),
    HEADERS_AT_CDF,
  )
  t.equal(collector.ofTrace(TRACE).length, 2)
})

t.test('a trace begins where the caller has none, and CDF gets the same', async (t) => {
  const { quality, simulator, serverSpan } = await startTraced(t)
  await quality(JOB_ID, {})
  const [, traceId = ''] = traceparentAtCdf(simulator).split('-')
  t.match(await serverSpan(traceId), { parentSpanId: undefined })
})

t.test('a trace that its caller does not sample goes on and is not recorded', async (t) => {
  const { quality, simulator, collector, serverSpan } = await startTraced(t)
  const other = '1'.repeat(32)
  await quality(jobIdOf(1), { traceparent: `00-${other}-${CALLER}-00` })
  t.match(traceparentAtCdf(simulator), new RegExp(`^00-${other}-(?!${CALLER})[0-9a-f]{16}-00$`))
  await quality()
  await serverSpan()
  t.strictSame(collector.ofTrace(other), [])
})

t.test('neither a cached answer nor a probe is more than it is', async (t) => {
  const { quality, url, collector, serverSpan } = await startTraced(t)
  await quality(JOB_ID, {})
  await request(`${url}/health/ready`)
  await request(`${url}/health/live`)
  await quality()
  await serverSpan()
  t.equal(collector.ofTrace(TRACE).length, 1, 'a hit asks nobody')
  t.strictSame(
    collector.spans.map(({ name }) => name).sort(),
    ['GET', `GET ${ROUTE}`, `GET ${ROUTE}`, 'POST'],
    'and a probe leaves nothing',
  )
})

t.test('failures are errors, and answers below 500 are not', async (t) => {
  const { quality, url, simulator, collector } = await startTraced(t, {
    UPSTREAM_ATTEMPT_TIMEOUT_MS: '200',
    UPSTREAM_MAX_ATTEMPTS: '1',
  })
  const { faults } = simulator.cdf
  const outcomes = async (
    traceNumber: number,
    ask: (headers: Record<string, string>) => unknown,
  ) => {
    const traceId = `${traceNumber}`.padStart(32, 'a')
    await ask({ traceparent: `00-${traceId}-${CALLER}-01` })
    const ofKind = (kind: string) => collector.ofTrace(traceId).find((span) => span.kind === kind)
    await until(() => ofKind('server') !== undefined)
    const told = (kind: string) => {
      const span = ofKind(kind)
      const status = span?.attributes['http.response.status_code'] ?? 'none'
      return span && `${status} ${span.failed ? (span.statusMessage ?? 'error') : 'good'}`
    }
    return { service: told('server'), cdf: told('client') }
  }
  faults.next({ status: 500 })
  t.strictSame(await outcomes(1, (headers) => quality(jobIdOf(1), headers)), {
    service: '502 upstream-error',
    cdf: '500 error',
  })
  faults.next('hang')
  t.strictSame(await outcomes(2, (headers) => quality(jobIdOf(2), headers)), {
    service: '504 upstream-timeout',
    cdf: 'none TimeoutError',
  })
  faults.next({ drip: '{"jobId":"a secret of somebody"', everyMs: 20 })
  t.match(await outcomes(3, (headers) => quality(jobIdOf(3), headers)), {
    service: '504 upstream-timeout',
  })
  faults.next('reset')
  t.match(await outcomes(4, (headers) => quality(jobIdOf(4), headers)), {
    service: '502 upstream-error',
    cdf: /^none (UND_ERR_SOCKET|ECONNRESET)$/,
  })
  t.strictSame(await outcomes(5, (headers) => quality(jobIdOf(5), headers)), {
    service: '404 good',
    cdf: '404 error',
  })
  t.strictSame(await outcomes(6, (headers) => quality('a-secret', headers)), {
    service: '400 good',
    cdf: undefined,
  })
  t.strictSame(await outcomes(7, (headers) => request(`${url}/a-secret?b=a-secret`, { headers })), {
    service: '404 good',
    cdf: undefined,
  })
  faults.next('hang')
  const hangUp = async (headers: Record<string, string>) => {
    const signal = AbortSignal.timeout(50)
    await request(`${url}/jobs/${jobIdOf(8)}/quality`, { headers, signal }).catch(() => {})
  }
  t.strictSame(
    await outcomes(8, hangUp),
    { service: '499 good', cdf: 'none good' },
    'who hangs up is no failure',
  )
  t.notMatch(collector.received(), /a.secret/)
})

t.test('a token exchange belongs to the request that causes it, else to nobody', async (t) => {
  const { quality, simulator, exchanges, collector, serverSpan, clientSpans } = await startTraced(t)
  simulator.cdf.faults.next({ status: 401 })
  await quality()
  const { spanId } = (await serverSpan()) ?? {}
  const [first, second] = collector.spans.filter(({ name }) => name === 'POST')
  t.equal(first?.parentSpanId, undefined)
  t.not(first?.traceId, TRACE)
  t.match(second, { traceId: TRACE, parentSpanId: spanId, failed: false })
  t.strictSame(exchanges, [
    `00-${first?.traceId}-${first?.spanId}-01`,
    `00-${TRACE}-${second?.spanId}-01`,
  ])
  t.strictSame(
    clientSpans().map(({ name, parentSpanId }) => [name, parentSpanId]),
    [
      ['GET', spanId],
      ['POST', spanId],
      ['GET', spanId],
    ],
  )
})

t.test('what a watch reads after its first read is nobody’s request', async (t) => {
  const { url, simulator, collector, clientSpans } = await startTraced(t)
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
  await openEvents(t, `${url}/jobs/${jobIdOf(1)}/quality/events`, FROM_CALLER)
  const reads = () =>
    collector.spans.filter(({ kind, name }) => kind === 'client' && name === 'GET')
  await until(() => reads().length === 2)
  const [first, second] = reads()
  t.strictSame(clientSpans(), [first])
  t.not(second?.traceId, TRACE)
  t.equal(second?.parentSpanId, undefined)
})

t.test('no secret goes to the collector, and what is left goes there at the end', async (t) => {
  const { child, ended, output, quality, url, simulator, collector, serverSpan } =
    await startTraced(t, {
      OTEL_BSP_SCHEDULE_DELAY: '60000',
      OTEL_SERVICE_NAME: 'by-another-name',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collector-secret',
    })
  await quality(JOB_ID, { ...FROM_CALLER, authorization: 'Bearer caller-secret' })
  await request(`${url}/jobs/${JOB_ID}/quality?access_token=query-secret`)
  await request(`${url}/jobs/quality?jobId=${JOB_ID}&jobId=${jobIdOf(1)}`)
  t.strictSame(collector.spans, [])
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal((await serverSpan())?.resource['service.name'], 'by-another-name')
  t.equal(collector.spans.length, 6)
  const received = collector.received()
  t.match(received, '"x-collector-key":"collector-secret"')
  for (const secret of ['caller-secret', 'query-secret', simulator.identityProvider.clientSecret])
    t.notMatch(received, secret)
  t.notMatch(received, /eyJ|Bearer|jobId=/)
  t.notMatch(output.stdout + output.stderr, 'collector-secret')
})

t.test('a collector that is not there costs one line in the log', async (t) => {
  const { child, ended, output, quality } = await startService(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collector-secret',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
    OTEL_BSP_SCHEDULE_DELAY: '10',
  })
  const lines = () => output.stdout.split('\n').filter((line) => line.includes('spans'))
  await until(() => lines().length === 1)
  for (const number of [1, 2, 3]) {
    t.equal((await quality(jobIdOf(number))).status, 404)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  t.match(lines()[0], 'ECONNREFUSED')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(lines().length, 1)
  t.notMatch(output.stdout + output.stderr, 'collector-secret')
})

t.test('a collector that does not answer holds up the end only for a moment', async (t) => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const { child, ended, quality } = await startService(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/v1/traces`,
    OTEL_BSP_SCHEDULE_DELAY: '10',
  })
  t.equal((await quality()).status, 200)
  const startedAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.ok(performance.now() - startedAt < 4_000)
})

/** Says on the standard error what is loaded of OpenTelemetry. */
const TELL_LOADED = [
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module'
    registerHooks({
      load(url, context, next) {
        if (/@opentelemetry|@fastify.otel/.test(url)) process.stderr.write('loaded ' + url)
        return next(url, context)
      },
    })
  `)}`,
]

t.test('nothing of OpenTelemetry is loaded without a collector', async (t) => {
  const isOn = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` }
  const on = await startService(t, isOn, TELL_LOADED)
  for (const part of ['@fastify/otel', 'instrumentation-undici', 'exporter-trace-otlp-http'])
    t.match(on.output.stderr, part, 'it would be told')

  for (const off of [
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { ...isOn, OTEL_SDK_DISABLED: 'true' },
    { ...isOn, OTEL_TRACES_EXPORTER: 'none' },
  ]) {
    const { output, quality } = await startService(t, off, TELL_LOADED)
    t.equal((await quality()).status, 200)
    t.equal(output.stderr, '', JSON.stringify(off))
  }
})

t.test('without OpenTelemetry a trace goes on all the same', async (t) => {
  const { quality, url, simulator, exchanges } = await startService(t, {})
  simulator.cdf.faults.next({ status: 401 })
  await quality()
  const own = new RegExp(`^00-${TRACE}-(?!${CALLER})[0-9a-f]{16}-01$`)
  t.match(traceparentAtCdf(simulator), own)
  const [first, second] = exchanges
  t.match(first, new RegExp(`^00-(?!${TRACE})[0-9a-f]{32}-[0-9a-f]{16}-00$`))
  t.match(second, own)

  await request(`${url}/jobs/quality?jobId=${jobIdOf(1)}&jobId=${jobIdOf(2)}`)
  const [one, other] = simulator.cdf.requests
    .slice(-2)
    .map(({ headers }) => headers.find(([name]) => name === 'traceparent')?.[1]?.split('-')[1])
  t.match(one, /^[0-9a-f]{32}$/)
  t.equal(one, other, 'one request is one trace, also where it begins here')
})
