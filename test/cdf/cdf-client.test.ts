import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import t from 'tap'
import packageJson from '../../package.json' with { type: 'json' }
import { type Fault, Faults } from '../../simulator/upstream/fault.ts'
import { CdfClient, type CdfClientOptions, type CdfRequest } from '../../src/cdf/cdf-client.ts'
import { CircuitBreaker } from '../../src/cdf/resilience/circuit-breaker.ts'
import { ConcurrencyLimit } from '../../src/cdf/resilience/concurrency-limit.ts'
import { CoolDown } from '../../src/cdf/resilience/cool-down.ts'
import { RetryBudget } from '../../src/cdf/resilience/retry-budget.ts'
import { UpstreamPolicy } from '../../src/cdf/resilience/upstream-policy.ts'
import { WaitingCallers } from '../../src/cdf/resilience/waiting-callers.ts'
import { httpAgent } from '../../src/http/agent.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import { FIXTURES, fixtureFault, fixtureText, JOB_ID } from '../support/fixtures.ts'
import { until } from '../support/wait.ts'

const RUNNING = { status: 200, body: fixtureText('estimate-running.json') }
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** Starts a CDF that responds with the queued faults, else with {@link RUNNING}, and a client for it. */
async function start(
  t: Test,
  { deadlineMs = 4000, ...options }: Partial<CdfClientOptions> & { deadlineMs?: number } = {},
) {
  const faults = new Faults()
  const received: { url: string | undefined; headers: Record<string, unknown>; closed: boolean }[] =
    []
  const server = createServer(async (request, response) => {
    const entry = { url: request.url, headers: request.headers, closed: false }
    received.push(entry)
    response.on('close', () => {
      entry.closed = true
    })
    if (!(await faults.apply(request, response))) response.writeHead(200).end(RUNNING.body)
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
  const calls: CdfRequest[] = []
  const invalidated: string[] = []
  let issued = 0
  const issue = () => {
    issued += 1
    return { value: `token-${issued}`, requestedAtMs: 0, renewAtMs: 0, expiresAtMs: 0 }
  }
  let token = issue()
  const client = new CdfClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    project: 'my-project',
    version: 'alpha',
    tokens: {
      get: async () => token,
      invalidate: (refused) => {
        invalidated.push(refused.value)
        token = issue()
      },
    },
    dispatcher,
    policy: new UpstreamPolicy({
      concurrency: new ConcurrencyLimit(8, 100),
      coolDown: new CoolDown({ now, random }),
      breaker: new CircuitBreaker({ now, onChange: () => {} }),
      onPause: () => {},
      random,
    }),
    retries: new RetryBudget(now),
    attemptTimeoutMs: 2000,
    maxAttempts: 2,
    random,
    onRequestEnd: (request) => calls.push(request),
    ...options,
  })
  const read = (signal = new AbortController().signal, jobId = JOB_ID) =>
    client.getEstimateQualityJob(jobId, {
      signal,
      callers: new WaitingCallers('a'),
      requestId: 'request-1',
      traceparent: TRACEPARENT,
      deadlineMs,
    })
  return { faults, received, calls, invalidated, read, server }
}

/** The error of a read. */
async function failureOf(read: Promise<unknown>): Promise<ProblemError> {
  const error = await read.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ProblemError)) throw new Error('expected a ProblemError', { cause: error })
  return error
}

t.test('sends the request of the API reference, with exactly these headers', async (t) => {
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
    'x-cdp-sdk': `cdf-job-quality:${packageJson.version}`,
    'user-agent': `cdf-job-quality/${packageJson.version}`,
    'x-request-id': 'request-1',
    traceparent: TRACEPARENT,
  })
})

t.test('omits cdf-version if none is configured', async (t) => {
  const { received, read } = await start(t, { version: undefined })
  await read()
  t.notOk(received[0] && 'cdf-version' in received[0].headers)
})

/** The code for each error fixture, and the number of requests. */
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
  t.test(`rejects with ${byFixture[file]?.[0]} after ${file}: ${note}`, async (t) => {
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
      'reports each request',
    )
  })
}

const job = (members: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(RUNNING.body), ...members })

/** Too deep for a recursive function. */
const NESTED = `${'['.repeat(20_000)}${']'.repeat(20_000)}`

/** Faults without a fixture. */
const faults: [name: string, fault: Fault, code: string, requests: number][] = [
  [
    'HTML',
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
    'upstream-invalid-response',
    1,
  ],
  [
    'truncated JSON',
    { status: 200, body: RUNNING.body.slice(0, 50) },
    'upstream-invalid-response',
    1,
  ],
  ['an empty body', { status: 200, body: '' }, 'upstream-invalid-response', 1],
  ['null', { status: 200, body: 'null' }, 'upstream-invalid-response', 1],
  ['an array', { status: 200, body: `[${RUNNING.body}]` }, 'upstream-invalid-response', 1],
  [
    'a body without jobId',
    { status: 200, body: job({ jobId: undefined }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'a jobId that is not a string',
    { status: 200, body: job({ jobId: 7 }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'a body without status',
    { status: 200, body: job({ status: undefined }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'a status that is not a string',
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
    'a body of more than 1 MiB',
    { status: 200, body: job({ padding: 'x'.repeat(1024 * 1024) }) },
    'upstream-invalid-response',
    1,
  ],
  [
    'a body of more than 1 MiB after decompression',
    {
      status: 200,
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(job({ padding: 'x'.repeat(1024 * 1024) })),
    },
    'upstream-invalid-response',
    1,
  ],
  [
    'a body that is not gzip despite its content-encoding',
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: RUNNING.body },
    'upstream-invalid-response',
    1,
  ],
  [
    'an unknown content-encoding',
    { status: 200, headers: { 'content-encoding': 'constructor' }, body: RUNNING.body },
    'upstream-invalid-response',
    1,
  ],
  ['a 202', { status: 202, body: RUNNING.body }, 'upstream-invalid-response', 1],
  ['a 204', { status: 204 }, 'upstream-invalid-response', 1],
  [
    'a redirect',
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    'upstream-invalid-response',
    1,
  ],
  [
    'a response that is not HTTP',
    { raw: 'SSH-2.0-OpenSSH_9.6\r\n' },
    'upstream-invalid-response',
    1,
  ],
  [
    'headers of more than 16 KiB',
    { raw: `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}` },
    'upstream-invalid-response',
    1,
  ],
  ['a reset connection', 'reset', 'upstream-error', 2],
  ['a connection reset during the body', 'reset-in-body', 'upstream-error', 2],
  ['a 504', { status: 504 }, 'upstream-error', 2],
  [
    'a 500 with cdf-is-auto-retryable: true',
    { status: 500, headers: { 'cdf-is-auto-retryable': 'true' } },
    'upstream-error',
    2,
  ],
  [
    'a 500 with cdf-is-auto-retryable: false',
    { status: 500, headers: { 'cdf-is-auto-retryable': 'false' } },
    'upstream-error',
    1,
  ],
  [
    'a 429 with cdf-is-auto-retryable: true',
    { status: 429, headers: { 'cdf-is-auto-retryable': 'true' } },
    'upstream-throttled',
    1,
  ],
  [
    'a 400 with an empty list of missing ids',
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
    'a 403 without the error envelope',
    { status: 403, body: '{"code":403,"message":"Resource not found. x"}' },
    'job-not-found',
    1,
  ],
  [
    'a 403 whose error cannot be converted to a string',
    { status: 403, body: '{"error":[{"toString":1}]}' },
    'upstream-forbidden',
    1,
  ],
  [
    'a 400 whose message cannot be converted to a string',
    { status: 400, body: '{"error":{"message":{"toString":1},"missing":{"length":1}}}' },
    'upstream-rejected',
    1,
  ],
  [
    'a 400 with 20,000 nested arrays',
    { status: 400, body: `{"error":${NESTED}}` },
    'upstream-rejected',
    1,
  ],
  ['a 500 that is nested arrays', { status: 500, body: NESTED }, 'upstream-error', 1],
  ['a 200 that is nested arrays', { status: 200, body: NESTED }, 'upstream-invalid-response', 1],
  [
    'a status of nested arrays',
    { status: 200, body: `{"jobId":"${JOB_ID}","status":${NESTED}}` },
    'upstream-invalid-response',
    1,
  ],
  [
    'a 403 whose error is a string',
    { status: 403, body: '{"error":"Resource not found."}' },
    'job-not-found',
    1,
  ],
]
for (const [name, fault, code, requests] of faults) {
  t.test(`rejects with ${code} after ${name}`, async (t) => {
    const { faults, received, read } = await start(t)
    faults.standing = fault
    t.equal((await failureOf(read())).code, code)
    t.equal(received.length, requests, 'requests')
  })
}

const invalidGzip = { 'content-encoding': 'gzip', 'x-request-id': 'cdf-77' }
const unreadable: [name: string, fault: Fault, code: string, status: number, requests: number][] = [
  [
    'a 200',
    { status: 200, headers: invalidGzip, body: 'oops' },
    'upstream-invalid-response',
    200,
    1,
  ],
  ['a 503', { status: 503, headers: invalidGzip, body: 'oops' }, 'upstream-error', 503, 2],
  ['a 404', { status: 404, headers: invalidGzip, body: 'oops' }, 'job-not-found', 404, 1],
  ['a 401', { status: 401, headers: invalidGzip, body: 'oops' }, 'upstream-auth-failed', 401, 2],
  [
    'a 200 with a stalled body',
    {
      raw: 'HTTP/1.1 200 OK\r\nx-request-id: cdf-77\r\ncontent-length: 9\r\n\r\n{',
      keepOpen: true,
    },
    'upstream-timeout',
    200,
    1,
  ],
  [
    'a 200 with a truncated body',
    { raw: 'HTTP/1.1 200 OK\r\nx-request-id: cdf-77\r\ncontent-length: 9\r\n\r\n{' },
    'upstream-error',
    200,
    2,
  ],
]
for (const [name, fault, code, status, requests] of unreadable) {
  t.test(`uses status and x-request-id of ${name} whose body cannot be read`, async (t) => {
    const { faults, received, calls, read } = await start(t, { attemptTimeoutMs: 100 })
    faults.standing = fault
    const error = await failureOf(read())
    t.equal(error.code, code)
    t.strictSame(error.upstream, { status, requestId: 'cdf-77' })
    t.strictSame(calls[0]?.upstream, { status, requestId: 'cdf-77' })
    t.equal(received.length, requests)
  })
}

t.test('rejects with upstream-error if the connection is refused', async (t) => {
  const { read, server, calls } = await start(t)
  server.close()
  t.equal((await failureOf(read())).code, 'upstream-error')
  t.match(calls, [{ upstream: { status: null } }, { failure: /ECONNREFUSED/ }])
})

t.test('decompresses an unrequested gzip body', async (t) => {
  const { faults, read } = await start(t)
  faults.next({
    status: 200,
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(RUNNING.body),
  })
  t.match(await read(), { status: 'Running' })
})

t.test('accepts a body that begins with a byte order mark, in any encoding', async (t) => {
  const { faults, read } = await start(t)
  const body = Buffer.from(`\ufeff${RUNNING.body}`)
  faults.next(
    { status: 200, body },
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(body) },
  )
  t.match(await read(), { status: 'Running' })
  t.match(await read(), { status: 'Running' })
})

t.test('accepts a UUID in the response to a numeric id, but no other number', async (t) => {
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
  t.test(`succeeds with one retry after ${JSON.stringify(fault)}`, async (t) => {
    const { faults, received, read } = await start(t)
    faults.next(fault)
    t.match(await read(), { status: 'Running' })
    t.equal(received.length, 2)
  })
}

t.test('repeats the request with a new token after a 401', async (t) => {
  const { faults, received, invalidated, read } = await start(t)
  faults.next(fixtureFault('error-401.json'))
  t.match(await read(), { status: 'Running' })
  t.strictSame(
    received.map(({ headers }) => headers.authorization),
    ['Bearer token-1', 'Bearer token-2'],
  )
  t.strictSame(invalidated, ['token-1'])
})

t.test('repeats the request once for a 401 and once for a 503 in the same read', async (t) => {
  const { faults, received, read } = await start(t)
  faults.next({ status: 503 }, { status: 401 }, { status: 503 })
  t.equal((await failureOf(read())).code, 'upstream-error')
  t.equal(received.length, 3)
})

t.test('does not repeat the request after a 401 if there is no new token', async (t) => {
  const token = { value: 'the-only-one', requestedAtMs: 0, renewAtMs: 0, expiresAtMs: 0 }
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
  t.test(
    `sends no request for ${seconds} s after a 429 with ${header ? `Retry-After: ${header}` : 'no Retry-After'}`,
    async (t) => {
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
      t.equal(next.upstream, undefined, 'no request to CDF')
      t.equal(received.length, 1)
    },
  )
}

t.test(
  'opens the circuit after five failures in a row, also between two attempts of a read',
  async (t) => {
    const { faults, received, read } = await start(t)
    faults.standing = { status: 503 }
    for (let call = 0; call < 3; call += 1)
      t.equal((await failureOf(read())).code, 'upstream-error')
    t.equal(received.length, 5, 'no retry of the last read')
    const error = await failureOf(read())
    t.match(error, { code: 'upstream-unavailable', retryAfterSeconds: 5 })
    t.equal(received.length, 5)
  },
)

t.test(
  'limits the time of an attempt including its body, and does not retry after a timeout',
  async (t) => {
    const { faults, received, calls, read } = await start(t, { attemptTimeoutMs: 60 })
    faults.next('hang', { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', keepOpen: true })
    t.equal((await failureOf(read())).code, 'upstream-timeout')
    t.equal((await failureOf(read())).code, 'upstream-timeout')
    t.equal(received.length, 2)
    t.match(calls, [{ failure: 'timeout' }, { failure: 'timeout' }])
  },
)

t.test('limits the time of all attempts of a read', async (t) => {
  const { faults, received, calls, read } = await start(t, { deadlineMs: 500 })
  faults.next({ status: 503 }, 'hang')
  t.equal((await failureOf(read())).code, 'upstream-timeout')
  t.equal(received.length, 2)
  t.equal(calls.at(-1)?.failure, 'deadline')
})

t.test('aborts the request to CDF when the signal aborts, and does not retry', async (t) => {
  const { faults, received, calls, read } = await start(t)
  faults.next('hang')
  const caller = new AbortController()
  const reading = read(caller.signal)
  await until(() => received.length === 1)
  caller.abort(new Error('gone'))
  await t.rejects(reading, { message: 'gone' })
  await until(() => received[0]?.closed === true)
  t.equal(received.length, 1)
  t.match(calls, [{ failure: 'aborted' }])
})

t.test(
  'reports each request with its upstream status and request id, and without secrets',
  async (t) => {
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
  },
)

t.test('ignores an invalid x-request-id of CDF', async (t) => {
  const { faults, read } = await start(t)
  faults.next({ status: 404, headers: { 'x-request-id': 'x'.repeat(200) } })
  t.strictSame((await failureOf(read())).upstream, { status: 404, requestId: null })
})

t.test('does not open the circuit because of timeouts in its own queue', async (t) => {
  const { faults, read } = await start(t, { attemptTimeoutMs: 1500, deadlineMs: 1500 })
  faults.standing = { delayMs: 300 }
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, () =>
      read().then(
        () => 'success',
        (error: ProblemError) => error.code,
      ),
    ),
  )
  t.ok(outcomes.includes('success'))
  t.ok(outcomes.includes('upstream-timeout'))
  t.notOk(outcomes.includes('upstream-unavailable'))
})

t.test('limits retries to the retry budget', async (t) => {
  const { faults, received, read } = await start(t)
  // Retryable failures that do not open the circuit.
  faults.standing = { status: 409, headers: { 'cdf-is-auto-retryable': 'true' } }
  for (let call = 0; call < 30; call += 1) await failureOf(read())
  t.equal(received.length, 50)
})
