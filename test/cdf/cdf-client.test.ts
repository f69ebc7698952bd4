import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import t from 'tap'
import type { Fault } from '../../simulator/fault.ts'
import { Faults } from '../../simulator/fault.ts'
import type { CdfCall, CdfClientOptions } from '../../src/cdf/cdf-client.ts'
import { CdfClient } from '../../src/cdf/cdf-client.ts'
import { CircuitBreaker } from '../../src/cdf/circuit-breaker.ts'
import { ConcurrencyLimit } from '../../src/cdf/concurrency-limit.ts'
import { CoolDown } from '../../src/cdf/cool-down.ts'
import { RetryBudget } from '../../src/cdf/retry-budget.ts'
import { UpstreamGate } from '../../src/cdf/upstream-gate.ts'
import { httpAgent } from '../../src/http-agent.ts'
import { ProxyError } from '../../src/problem.ts'
import { FIXTURES, fixtureFault, fixtureText, JOB_ID, until } from '../helper.ts'

const GOOD = { status: 200, body: fixtureText('estimate-running.json') }
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** A client and a CDF that does what it is told; without a fault in line it answers {@link GOOD}. */
async function start(t: Test, options: Partial<CdfClientOptions> = {}) {
  const faults = new Faults()
  const received: { url: string | undefined; headers: Record<string, unknown>; closed: boolean }[] =
    []
  const server = createServer(async (request, response) => {
    const entry = { url: request.url, headers: request.headers, closed: false }
    received.push(entry)
    response.on('close', () => {
      entry.closed = true
    })
    if (!(await faults.happen(request, response))) response.writeHead(200).end(GOOD.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dispatcher = httpAgent()
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  const now = () => performance.now()
  const random = () => 0
  const calls: CdfCall[] = []
  const invalidated: string[] = []
  let issued = 0
  const issue = () => {
    issued += 1
    return { value: `token-${issued}`, askedAtMs: 0, renewAtMs: 0, expiresAtMs: 0 }
  }
  let token = issue()
  const client = new CdfClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    project: 'my-project',
    cdfVersion: 'alpha',
    serviceVersion: '1.2.3',
    tokens: {
      get: async () => token,
      invalidate: (refused) => {
        invalidated.push(refused.value)
        token = issue()
      },
    },
    dispatcher,
    gate: new UpstreamGate({
      concurrency: new ConcurrencyLimit(8, 100),
      coolDown: new CoolDown({ now, random }),
      breaker: new CircuitBreaker({ now, onChange: () => {} }),
      random,
    }),
    retries: new RetryBudget(now),
    attemptTimeoutMs: 2000,
    deadlineMs: 4000,
    maxAttempts: 2,
    random,
    onCall: (call) => calls.push(call),
    ...options,
  })
  const read = (signal = new AbortController().signal, jobId = JOB_ID) =>
    client.getEstimateQualityJob(jobId, {
      signal,
      requestId: 'request-1',
      traceparent: TRACEPARENT,
    })
  return { faults, received, calls, invalidated, read, server }
}

async function failureOf(read: Promise<unknown>): Promise<ProxyError> {
  const error = await read.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ProxyError)) throw new Error('expected a ProxyError', { cause: error })
  return error
}

t.test('asks the endpoint of the reference, with exactly the headers that it should', async (t) => {
  const { received, read } = await start(t)
  t.match(await read(), { jobId: JOB_ID, status: 'Running' })
  t.equal(received[0]?.url, `/api/v1/projects/my-project/advancedjoins/estimatequality/${JOB_ID}`)
  const { host, connection, ...headers } = received[0]?.headers ?? {}
  t.ok(host)
  t.ok(connection)
  t.strictSame(headers, {
    accept: 'application/json',
    authorization: 'Bearer token-1',
    'cdf-version': 'alpha',
    'x-cdp-app': 'cdf-job-quality',
    'x-cdp-sdk': 'cdf-job-quality:1.2.3',
    'user-agent': 'cdf-job-quality/1.2.3',
    'x-request-id': 'request-1',
    traceparent: TRACEPARENT,
  })
})

t.test('omits cdf-version where none is configured', async (t) => {
  const { received, read } = await start(t, { cdfVersion: undefined })
  await read()
  t.notOk(received[0] && 'cdf-version' in received[0].headers)
})

/** What each error fixture means, and how many requests it costs. */
const byFixture: Record<string, [code: string, requests: number]> = {
  'error-400-cdf-version.json': ['upstream-rejected', 1],
  'error-400-validation.json': ['upstream-rejected', 1],
  'error-400-missing.json': ['job-not-found', 1],
  'error-401.json': ['upstream-auth-failed', 2],
  'error-403.json': ['job-not-found', 1],
  'error-403-forbidden-field.json': ['upstream-forbidden', 1],
  'error-404.json': ['job-not-found', 1],
  'error-404-string.json': ['job-not-found', 1],
  'error-409.json': ['upstream-rejected', 1],
  'error-409-auto-retryable.json': ['upstream-rejected', 2],
  'error-422.json': ['upstream-rejected', 1],
  'error-429-concurrency.json': ['upstream-throttled', 1],
  'error-429-rate.json': ['upstream-throttled', 1],
  'error-429-string.json': ['upstream-throttled', 1],
  'error-500.json': ['upstream-error', 1],
  'error-502-gateway.html': ['upstream-error', 2],
  'error-503.json': ['upstream-error', 2],
  'error-503-auto-retryable.json': ['upstream-error', 2],
  'error-503-plain.txt': ['upstream-error', 2],
}
for (const { file, status, headers, note } of FIXTURES.filter((fixture) =>
  fixture.file.startsWith('error-'),
)) {
  t.test(`understands ${file}: ${note}`, async (t) => {
    const expected = byFixture[file]
    if (!expected) return t.fail(`no expectation for ${file}`)
    const { faults, received, calls, read } = await start(t)
    faults.standing = fixtureFault(file)
    const error = await failureOf(read())
    t.equal(error.code, expected[0])
    t.equal(received.length, expected[1], 'requests')
    t.strictSame(error.upstream, { status, requestId: headers['x-request-id'] ?? null })
    t.strictSame(
      calls.map(({ upstream }) => upstream.status),
      Array(expected[1]).fill(status),
      'each told',
    )
  })
}

const job = (members: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(GOOD.body), ...members })

/** Everything else that CDF, or whatever stands in its place, may do. */
const faults: [name: string, fault: Fault, code: string, requests: number][] = [
  [
    'HTML',
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
    'upstream-invalid-response',
    1,
  ],
  [
    'JSON that ends early',
    { status: 200, body: GOOD.body.slice(0, 50) },
    'upstream-invalid-response',
    1,
  ],
  ['no body', { status: 200, body: '' }, 'upstream-invalid-response', 1],
  ['null', { status: 200, body: 'null' }, 'upstream-invalid-response', 1],
  ['an array', { status: 200, body: `[${GOOD.body}]` }, 'upstream-invalid-response', 1],
  ['no job id', { status: 200, body: job({ jobId: undefined }) }, 'upstream-invalid-response', 1],
  [
    'a job id that is no text',
    { status: 200, body: job({ jobId: 7 }) },
    'upstream-invalid-response',
    1,
  ],
  ['no status', { status: 200, body: job({ status: undefined }) }, 'upstream-invalid-response', 1],
  [
    'a status that is no text',
    { status: 200, body: job({ status: null }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'another job',
    { status: 200, body: job({ jobId: JOB_ID.replace('6', '7') }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'more than 1 MiB',
    { status: 200, body: job({ padding: 'x'.repeat(1024 * 1024) }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'more than 1 MiB once unpacked',
    {
      status: 200,
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(job({ padding: 'x'.repeat(1024 * 1024) })),
    },
    'upstream-invalid-response',
    1,
  ],
  [
    'what only claims to be packed',
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: GOOD.body },
    'upstream-invalid-response',
    1,
  ],
  [
    'an unknown encoding',
    { status: 200, headers: { 'content-encoding': 'constructor' }, body: GOOD.body },
    'upstream-invalid-response',
    1,
  ],
  ['another success', { status: 202, body: GOOD.body }, 'upstream-invalid-response', 1],
  ['no content', { status: 204 }, 'upstream-invalid-response', 1],
  [
    'a redirect',
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    'upstream-invalid-response',
    1,
  ],
  ['no HTTP', { raw: 'SSH-2.0-OpenSSH_9.6\r\n' }, 'upstream-invalid-response', 1],
  [
    'endless headers',
    { raw: `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}` },
    'upstream-invalid-response',
    1,
  ],
  ['a lost connection', 'reset', 'upstream-error', 2],
  ['a connection lost in the body', 'reset-in-body', 'upstream-error', 2],
  ['a 504', { status: 504 }, 'upstream-error', 2],
  [
    'a 500 that CDF calls retryable',
    { status: 500, headers: { 'cdf-is-auto-retryable': 'true' } },
    'upstream-error',
    2,
  ],
  [
    'a 500 that CDF calls not retryable',
    { status: 500, headers: { 'cdf-is-auto-retryable': 'false' } },
    'upstream-error',
    1,
  ],
  [
    'a 429 that CDF calls retryable',
    { status: 429, headers: { 'cdf-is-auto-retryable': 'true' } },
    'upstream-throttled',
    1,
  ],
  [
    'a 400 that names nothing missing',
    { status: 400, body: '{"error":{"missing":[]}}' },
    'upstream-rejected',
    1,
  ],
  [
    'a 403 in plain text',
    { status: 403, body: 'Resource not found. This may also be …' },
    'job-not-found',
    1,
  ],
  [
    'a 403 without an envelope',
    { status: 403, body: '{"code":403,"message":"Resource not found. x"}' },
    'job-not-found',
    1,
  ],
  [
    'a 403 in one string',
    { status: 403, body: '{"error":"Resource not found."}' },
    'job-not-found',
    1,
  ],
]
for (const [name, fault, code, requests] of faults) {
  t.test(`makes ${code} of ${name}`, async (t) => {
    const { faults, received, read } = await start(t)
    faults.standing = fault
    t.equal((await failureOf(read())).code, code)
    t.equal(received.length, requests, 'requests')
  })
}

const packed = { 'content-encoding': 'gzip', 'x-request-id': 'cdf-77' }
const unreadable: [name: string, fault: Fault, code: string, status: number, requests: number][] = [
  ['a 200', { status: 200, headers: packed, body: 'oops' }, 'upstream-invalid-response', 200, 1],
  ['a 503', { status: 503, headers: packed, body: 'oops' }, 'upstream-error', 503, 2],
  ['a 404', { status: 404, headers: packed, body: 'oops' }, 'job-not-found', 404, 1],
  ['a 401', { status: 401, headers: packed, body: 'oops' }, 'upstream-auth-failed', 401, 2],
  [
    'a 200 that stalls',
    {
      raw: 'HTTP/1.1 200 OK\r\nx-request-id: cdf-77\r\ncontent-length: 9\r\n\r\n{',
      ending: 'silence',
    },
    'upstream-timeout',
    200,
    1,
  ],
  [
    'a 200 cut short',
    { raw: 'HTTP/1.1 200 OK\r\nx-request-id: cdf-77\r\ncontent-length: 9\r\n\r\n{' },
    'upstream-error',
    200,
    2,
  ],
]
for (const [name, fault, code, status, requests] of unreadable) {
  t.test(`knows what CDF said by the head of ${name} whose body cannot be read`, async (t) => {
    const { faults, received, calls, read } = await start(t, { attemptTimeoutMs: 100 })
    faults.standing = fault
    const error = await failureOf(read())
    t.equal(error.code, code)
    t.strictSame(error.upstream, { status, requestId: 'cdf-77' })
    t.strictSame(calls[0]?.upstream, { status, requestId: 'cdf-77' })
    t.equal(received.length, requests)
  })
}

t.test('makes upstream-error of nobody there', async (t) => {
  const { read, server, calls } = await start(t)
  server.close()
  t.equal((await failureOf(read())).code, 'upstream-error')
  t.match(calls, [{ upstream: { status: null } }, { failure: /ECONNREFUSED/ }])
})

t.test('unpacks what is packed although nobody asked for it', async (t) => {
  const { faults, read } = await start(t)
  faults.next({ status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(GOOD.body) })
  t.match(await read(), { status: 'Running' })
})

t.test('takes an id of the other form for the same job', async (t) => {
  const { faults, read } = await start(t)
  t.match(await read(new AbortController().signal, '123'), { jobId: JOB_ID })
  faults.next({ status: 200, body: job({ jobId: '124' }) })
  t.equal(
    (await failureOf(read(new AbortController().signal, '123'))).code,
    'upstream-invalid-response',
  )
})

for (const fault of [
  { status: 503 },
  { status: 502 },
  { status: 504 },
  'reset',
  'reset-in-body',
] as Fault[]) {
  t.test(`recovers by one retry from ${JSON.stringify(fault)}`, async (t) => {
    const { faults, received, read } = await start(t)
    faults.next(fault)
    t.match(await read(), { status: 'Running' })
    t.equal(received.length, 2)
  })
}

t.test('replays once with a new token after a 401', async (t) => {
  const { faults, received, invalidated, read } = await start(t)
  faults.next(fixtureFault('error-401.json'))
  t.match(await read(), { status: 'Running' })
  t.strictSame(
    received.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  )
  t.strictSame(invalidated, ['token-1'])
})

t.test('replays and retries in one read, each once', async (t) => {
  const { faults, received, read } = await start(t)
  faults.next({ status: 503 }, { status: 401 }, { status: 503 })
  t.equal((await failureOf(read())).code, 'upstream-error')
  t.equal(received.length, 3)
})

t.test('does not replay where the provider has no other token', async (t) => {
  const token = { value: 'the-only-one', askedAtMs: 0, renewAtMs: 0, expiresAtMs: 0 }
  const { faults, received, read } = await start(t, {
    tokens: { get: async () => token, invalidate: () => {} },
  })
  faults.standing = { status: 401 }
  t.equal((await failureOf(read())).code, 'upstream-auth-failed')
  t.equal(received.length, 1)
})

for (const [header, seconds] of [
  ['7', 7],
  ['3600', 60],
  [undefined, 1],
] as const) {
  t.test(`leaves CDF alone for ${seconds} s after a 429 with Retry-After ${header}`, async (t) => {
    const { faults, received, read } = await start(t)
    faults.next({ status: 429, ...(header && { headers: { 'retry-after': header } }) })
    const first = await failureOf(read())
    t.match(first, {
      code: 'upstream-throttled',
      retryAfterSeconds: seconds,
      upstream: { status: 429 },
    })
    const next = await failureOf(read())
    t.match(next, { code: 'upstream-throttled', retryAfterSeconds: seconds })
    t.equal(next.upstream, undefined, 'CDF was not asked')
    t.equal(received.length, 1)
  })
}

t.test('leaves CDF alone after five failures in a row, not in the middle of a read', async (t) => {
  const { faults, received, read } = await start(t)
  faults.standing = { status: 503 }
  for (let call = 0; call < 3; call += 1) t.equal((await failureOf(read())).code, 'upstream-error')
  t.equal(received.length, 5, 'the last read was not retried')
  const error = await failureOf(read())
  t.match(error, { code: 'upstream-unavailable', retryAfterSeconds: 5 })
  t.equal(received.length, 5)
})

t.test('gives one attempt its time, body included, and does not repeat it', async (t) => {
  const { faults, received, calls, read } = await start(t, { attemptTimeoutMs: 60 })
  faults.next('hang', { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', ending: 'silence' })
  t.equal((await failureOf(read())).code, 'upstream-timeout')
  t.equal((await failureOf(read())).code, 'upstream-timeout')
  t.equal(received.length, 2)
  t.match(calls, [{ failure: 'timeout' }, { failure: 'timeout' }])
})

t.test('gives everything together its deadline', async (t) => {
  const { faults, received, calls, read } = await start(t, { deadlineMs: 500 })
  faults.next({ status: 503 }, 'hang')
  t.equal((await failureOf(read())).code, 'upstream-timeout')
  t.equal(received.length, 2)
  t.equal(calls.at(-1)?.failure, 'deadline')
})

t.test('ends the request to CDF when nobody waits any more, and tries nothing else', async (t) => {
  const { faults, received, calls, read } = await start(t)
  faults.next('hang')
  const caller = new AbortController()
  const reading = read(caller.signal)
  await until(() => received.length === 1)
  caller.abort(new Error('gone'))
  await t.rejects(reading, { message: 'gone' })
  await until(() => received[0]?.closed === true)
  t.equal(received.length, 1)
  t.match(calls, [{ failure: 'abandoned' }])
})

t.test('tells of each request what there is to know, without anything secret', async (t) => {
  const { faults, calls, read } = await start(t)
  faults.next(fixtureFault('error-503.json'))
  await read()
  t.match(calls[0], {
    jobId: JOB_ID,
    requestId: 'request-1',
    upstream: { status: 503, requestId: '3c1f6a2e-5b7d-9e40-8a11-0d2f4b6c8e13' },
  })
  t.match(calls[1], { upstream: { status: 200, requestId: null } })
  t.notMatch(JSON.stringify(calls), /token-1/)
})

t.test("takes CDF's request id only if it can stand in a log and in JSON", async (t) => {
  const { faults, read } = await start(t)
  faults.next({ status: 404, headers: { 'x-request-id': 'x'.repeat(200) } })
  t.strictSame((await failureOf(read())).upstream, { status: 404, requestId: null })
})

t.test(
  'does not take a healthy CDF for a failing one because its own queue was long',
  async (t) => {
    const { faults, read } = await start(t, { attemptTimeoutMs: 400, deadlineMs: 500 })
    faults.standing = { delayMs: 150 }
    const ends = await Promise.all(
      Array.from({ length: 60 }, () =>
        read().then(
          () => 'good',
          (error: ProxyError) => error.code,
        ),
      ),
    )
    t.ok(ends.includes('good'))
    t.ok(ends.includes('upstream-timeout'))
    t.notOk(ends.includes('upstream-unavailable'))
  },
)

t.test('retries no more than its budget allows', async (t) => {
  const { faults, received, read } = await start(t)
  // Failures that never open the circuit, and may be retried each time.
  faults.standing = { status: 409, headers: { 'cdf-is-auto-retryable': 'true' } }
  for (let call = 0; call < 30; call += 1) await failureOf(read())
  t.equal(received.length, 50)
})
