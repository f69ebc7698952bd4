import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { type Problem, ProblemError } from '../../src/problems/problem.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { CDF_REQUEST_HEADERS, fixtureFault, JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

t.test('returns a job from Queued to Completed', async (t) => {
  let nowMs = Date.parse('2026-01-07T10:00:00.000Z')
  const { simulator, quality, clock } = await startService(t, {
    clock: 'fake',
    simulator: { now: () => nowMs },
  })
  simulator.cdf.addJob({
    jobId: JOB_ID,
    advancedJoinExternalId: 'pump-to-area-direct',
    steps: [
      { afterMs: 0, status: 'Queued' },
      { afterMs: 4_210, status: 'Running' },
      { afterMs: 96_155, status: 'Completed', with: SCORES },
    ],
  })
  const advance = (ms: number) => {
    nowMs += ms
    clock.advance(ms)
  }

  const queued = await quality()
  t.equal(queued.status, 200)
  t.match(queued.body, { status: 'Queued', done: false, scores: null, startedAt: null })
  t.equal(queued.headers.get('retry-after'), '2')

  advance(5_000)
  const running = await quality()
  t.match(running.body, { status: 'Running', startedAt: '2026-01-07T10:00:04.210Z' })
  t.equal(running.headers.get('cache-status'), 'cdf-job-quality; fwd=stale')

  advance(95_000)
  const completed = await quality()
  t.strictSame(completed.body, {
    jobId: JOB_ID,
    status: 'Completed',
    done: true,
    advancedJoinExternalId: 'pump-to-area-direct',
    matcher: {
      type: 'raw',
      dbName: 'contextualization',
      tableName: 'pump_area_matches',
      fromColumnKey: 'pumpExternalId',
      toColumnKey: 'areaExternalId',
    },
    scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 },
    errorMessage: null,
    createdAt: '2026-01-07T10:00:00.000Z',
    startedAt: '2026-01-07T10:00:04.210Z',
    statusChangedAt: '2026-01-07T10:01:36.155Z',
  })
  t.equal(completed.headers.get('retry-after'), null)

  advance(3_600_000)
  const hit = await quality()
  t.equal(hit.text, completed.text)
  t.equal(hit.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(hit.headers.get('age'), '3600')
  t.equal(simulator.cdf.requests.length, 3)
})

t.test('sends the documented headers', async (t) => {
  const { simulator, quality } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const miss = await quality()
  const hit = await quality()
  t.equal(miss.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
  t.equal(miss.headers.get('age'), null)
  t.equal(hit.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(hit.headers.get('age'), '0')
  for (const { headers } of [miss, hit]) {
    t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
    t.match(headers.get('etag'), /^"[A-Za-z0-9_-]{22}"$/)
    t.equal(headers.get('etag'), miss.headers.get('etag'))
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.equal(headers.get('vary'), 'Authorization')
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('referrer-policy'), 'no-referrer')
    t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
    t.match(headers.get('x-request-id'), UUID_V4)
  }
})

t.test('answers 304 when If-None-Match matches', async (t) => {
  const { url, simulator, quality } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const etag = (await quality()).headers.get('etag') ?? ''
  const compressed = etag.replace(/"$/, '-gzip"')
  for (const header of [etag, `W/${etag}`, `"other", ${etag}`, compressed, '*']) {
    const { status, headers, text } = await quality(JOB_ID, { 'if-none-match': header })
    t.equal(status, 304, header)
    t.equal(text, '')
    t.equal(headers.get('etag'), etag)
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.equal(headers.get('vary'), 'Authorization')
    t.equal(headers.get('retry-after'), '2')
    t.equal(headers.get('cache-status'), 'cdf-job-quality; hit')
    t.equal(headers.get('content-type'), null)
  }
  t.equal((await quality(JOB_ID, { 'if-none-match': '"other"' })).status, 200)
  const head = await request(`${url}/jobs/${JOB_ID}/quality`, {
    method: 'HEAD',
    headers: { 'if-none-match': etag },
  })
  t.equal(head.status, 304)
  t.equal(head.headers.get('content-length'), String(Buffer.byteLength((await quality()).text)))
  t.equal(simulator.cdf.requests.length, 1)
})

t.test('answers HEAD like GET without the body', async (t) => {
  const { url, simulator } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Failed', { errorMessage: 'no' }))
  const head = await request(`${url}/jobs/${JOB_ID}/quality`, { method: 'HEAD' })
  const get = await request(`${url}/jobs/${JOB_ID}/quality`)
  t.equal(head.status, 200)
  t.equal(head.text, '')
  for (const name of ['content-length', 'content-type', 'etag', 'cache-control', 'vary']) {
    t.equal(head.headers.get(name), get.headers.get(name), name)
  }
  const problem = await request(`${url}/jobs/nonsense/quality`, { method: 'HEAD' })
  t.equal(problem.status, 400)
  t.equal(problem.text, '')
})

t.test('sends one request to CDF for 200 concurrent callers of a pending job', async (t) => {
  // A clock that stands still keeps the job fresh on a busy machine, too.
  const { simulator, quality } = await startService(t, { clock: 'fake' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.next({ delayMs: 100 })
  const answers = await Promise.all(Array.from({ length: 200 }, () => quality()))
  t.equal(simulator.cdf.requests.length, 1)
  t.equal(answers.filter(({ status }) => status === 200).length, 200)
  t.equal(new Set(answers.map(({ text }) => text)).size, 1)
  const outcomes = Map.groupBy(answers, ({ headers }) => headers.get('cache-status'))
  t.equal(outcomes.get('cdf-job-quality; fwd=miss')?.length, 1)
  t.ok(outcomes.get('cdf-job-quality; fwd=miss; collapsed')?.length)
})

t.test('treats UUIDs as case-insensitive, and keeps all digits of an integer', async (t) => {
  const { simulator, quality } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  simulator.cdf.addJob(lasting('9223372036854775807', 'Completed', SCORES))
  t.equal(((await quality(JOB_ID.toUpperCase())).body as JobQuality).jobId, JOB_ID)
  t.equal((await quality(JOB_ID)).headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(((await quality('9223372036854775807')).body as JobQuality).jobId, '9223372036854775807')
  t.strictSame(
    simulator.cdf.requests.map(({ jobId }) => jobId),
    [JOB_ID, '9223372036854775807'],
  )
})

t.test('aborts the request to CDF when the last of its callers disconnects', async (t) => {
  const { url, app, simulator, quality, logs } = await startService(t)
  let requests = 0
  app.server.on('request', () => {
    requests += 1
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
  simulator.cdf.faults.next('hang')
  const only = new AbortController()
  const aborted = fetch(`${url}/jobs/${JOB_ID}/quality`, { signal: only.signal })
  await until(() => simulator.cdf.requests.length === 1)
  only.abort()
  await t.rejects(aborted, { name: 'AbortError' })
  await until(() => simulator.cdf.requests[0]?.aborted === true)
  await until(() => logs.some((line) => line.msg === 'request' && line.status === 499))
  t.strictSame(
    logs.filter(({ level }) => Number(level) > 30),
    [],
    'no warning and no error',
  )

  simulator.cdf.faults.next({ delayMs: 100 })
  const first = new AbortController()
  const leaving = fetch(`${url}/jobs/${jobIdOf(1)}/quality`, { signal: first.signal })
  await until(() => simulator.cdf.requests.length === 2)
  const staying = quality(jobIdOf(1))
  await until(() => requests === 3)
  first.abort()
  await t.rejects(leaving, { name: 'AbortError' })
  t.equal((await staying).status, 200)
  t.equal(simulator.cdf.requests.length, 2)
  t.equal((await quality()).status, 200, 'the first job can be read again')
})

t.test('sends CDF the request id and the trace of the caller, and no other header', async (t) => {
  const { simulator, quality } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const { headers } = await quality(`${JOB_ID}`, {
    'x-request-id': 'my-request.1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    authorization: 'Bearer of-the-caller',
    cookie: 'a=b',
    'x-forwarded-for': '1.2.3.4',
    'accept-language': 'no',
    tracestate: 'a=b',
  })
  t.equal(headers.get('x-request-id'), 'my-request.1')
  const received = new Map(simulator.cdf.requests[0]?.headers)
  t.strictSame([...received.keys()].sort(), CDF_REQUEST_HEADERS)
  t.equal(received.get('x-request-id'), 'my-request.1')
  t.match(
    received.get('traceparent'),
    /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
  )
  t.notMatch(received.get('authorization'), /of-the-caller/)
})

for (const id of ['', 'a b', 'ü', 'x'.repeat(65), 'a,b']) {
  t.test(`replaces the invalid request id "${id.slice(0, 10)}"`, async (t) => {
    const { get } = await startService(t)
    t.match(
      (await get('/health/live', { 'x-request-id': encodeURI(id) })).headers.get('x-request-id'),
      UUID_V4,
    )
  })
}

t.test('sends one token request after 100 parallel 401s', async (t) => {
  const { simulator, quality } = await startService(t, {
    environment: { UPSTREAM_MAX_CONCURRENCY: '100' },
  })
  const ids = Array.from({ length: 101 }, (_, number) => jobIdOf(number))
  for (const id of ids) simulator.cdf.addJob(lasting(id, 'Running'))
  await quality(ids[100])
  t.equal(simulator.identityProvider.tokenRequests, 1)
  simulator.cdf.revokeTokens()
  const answers = await Promise.all(ids.slice(0, 100).map((id) => quality(id)))
  t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
  t.equal(simulator.identityProvider.tokenRequests, 2)
})

t.test('works with access tokens that expire after two seconds', async (t) => {
  const { simulator, quality, clock } = await startService(t, {
    clock: 'fake',
    simulator: { tokenLifetimeSeconds: 2 },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  for (let call = 0; call < 6; call += 1) {
    t.equal((await quality()).status, 200)
    clock.advance(5_001)
  }
  t.ok(simulator.identityProvider.tokenRequests >= 3)
})

t.test('serves a stale response while CDF fails, and marks it as stale-if-error', async (t) => {
  const { simulator, quality, clock } = await startService(t, { clock: 'fake' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const fresh = await quality()
  simulator.cdf.faults.standing = { status: 503 }
  clock.advance(29_000)
  const stale = await quality()
  t.equal(stale.status, 200)
  t.equal(stale.text, fresh.text)
  t.equal(stale.headers.get('cache-status'), 'cdf-job-quality; fwd=stale; detail=stale-if-error')
  t.equal(stale.headers.get('age'), '29')
  clock.advance(1_000)
  t.match(await quality(), { status: 502, body: { code: 'upstream-error' } })
})

/** Faults of CDF, the response to the caller, and whether the problem is cached. */
const problems: {
  name: string
  fault: Parameters<
    Awaited<ReturnType<typeof startService>>['simulator']['cdf']['faults']['next']
  >[0]
  status: number
  code: string
  retryAfter?: string
  upstream?: { status: number | null; requestId: string | null }
  cached?: boolean
}[] = [
  {
    name: 'an unknown job',
    fault: fixtureFault('error-404.json'),
    status: 404,
    code: 'job-not-found',
    cached: true,
  },
  {
    name: 'a job without access',
    fault: fixtureFault('error-403.json'),
    status: 404,
    code: 'job-not-found',
    cached: true,
  },
  {
    name: 'a job that is reported as missing',
    fault: fixtureFault('error-400-missing.json'),
    status: 404,
    code: 'job-not-found',
    cached: true,
  },
  {
    name: 'a rejected request',
    fault: fixtureFault('error-400-cdf-version.json'),
    status: 502,
    code: 'upstream-rejected',
  },
  {
    name: 'repeated 401s',
    fault: fixtureFault('error-401.json'),
    status: 502,
    code: 'upstream-auth-failed',
  },
  {
    name: 'a missing capability',
    fault: fixtureFault('error-403-forbidden-field.json'),
    status: 502,
    code: 'upstream-forbidden',
  },
  {
    name: 'a bad gateway',
    fault: fixtureFault('error-502-gateway.html'),
    status: 502,
    code: 'upstream-error',
    retryAfter: '2',
  },
  {
    name: 'a 429',
    fault: fixtureFault('error-429-rate.json'),
    status: 503,
    code: 'upstream-throttled',
    retryAfter: '7',
  },
  {
    name: 'invalid JSON',
    fault: { status: 200, body: '{"jobId":"leak-me' },
    status: 502,
    code: 'upstream-invalid-response',
  },
  {
    name: 'a reset connection',
    fault: 'reset',
    status: 502,
    code: 'upstream-error',
    retryAfter: '2',
  },
  { name: 'a timeout', fault: 'hang', status: 504, code: 'upstream-timeout', retryAfter: '2' },
]
for (const { name, fault, status, code, retryAfter, cached } of problems) {
  t.test(`answers with ${code} after ${name}`, async (t) => {
    const timeoutMs = fault === 'hang' ? '100' : '4000'
    const { simulator, quality, logs } = await startService(t, {
      environment: { UPSTREAM_ATTEMPT_TIMEOUT_MS: timeoutMs },
    })
    simulator.cdf.faults.standing = fault
    const answer = await quality(JOB_ID, { 'x-request-id': 'r-1' })
    assertProblem(t, answer, status, code)
    const problem = answer.body as Problem
    t.equal(problem.requestId, 'r-1')
    t.equal(answer.headers.get('retry-after'), retryAfter ?? null)
    t.equal(answer.headers.get('www-authenticate'), null)
    t.match(answer.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
    if (typeof fault === 'object' && 'status' in fault && fault.headers?.['x-request-id']) {
      t.strictSame(problem.upstream, {
        status: fault.status,
        requestId: fault.headers['x-request-id'],
      })
    }
    t.notMatch(answer.text, /leak-me|Server Error|cdf-version alpha|Missing capability/)
    t.notMatch(
      JSON.stringify(logs),
      /leak-me|Server Error|cdf-version alpha|Missing capability|eyJ/,
    )
    t.match(
      logs.find((line) => line.msg === 'request'),
      { requestId: 'r-1', status, code, jobId: JOB_ID },
    )

    const before = simulator.cdf.requests.length
    const again = await quality()
    t.equal((again.body as Problem).code, code)
    // During the cool-down, no request is sent for any job.
    const sendsNoRequest = cached || code === 'upstream-throttled'
    t.equal(simulator.cdf.requests.length > before, !sendsNoRequest, 'another request to CDF')
    if (cached) t.equal(again.headers.get('cache-status'), 'cdf-job-quality; hit')
    else t.equal(again.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
  })
}

t.test('answers with upstream-error if CDF is unreachable', async (t) => {
  const environment = { CDF_URL: `http://127.0.0.1:${await freePort()}` }
  const { quality } = await startService(t, { environment })
  assertProblem(t, await quality(), 502, 'upstream-error')
})

t.test(
  'answers with identity-provider-unavailable while the identity provider is unreachable',
  async (t) => {
    const { simulator, quality } = await startService(t)
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    simulator.identityProvider.faults.standing = 'reset'
    simulator.cdf.revokeTokens()
    simulator.cdf.faults.next({ status: 401 })
    assertProblem(t, await quality(), 503, 'identity-provider-unavailable')
    simulator.identityProvider.faults.clear()
    t.equal((await quality()).status, 200)
  },
)

t.test(
  'answers with identity-provider-rejected for a wrong secret, and sends one token request per 30 s',
  async (t) => {
    const environment = { IDP_CLIENT_SECRET: 'wrong-secret' }
    const { simulator, quality, logs, get, clock } = await startService(t, {
      environment,
      clock: 'fake',
    })
    for (let call = 0; call < 5; call += 1)
      assertProblem(t, await quality(jobIdOf(call)), 502, 'identity-provider-rejected')
    t.equal(simulator.identityProvider.tokenRequests, 1)
    t.equal((await get('/health/ready')).status, 502)
    clock.advance(30_000)
    await quality()
    t.equal(simulator.identityProvider.tokenRequests, 2)
    t.notMatch(JSON.stringify(logs), /wrong-secret/)
    t.equal(simulator.cdf.requests.length, 0)
  },
)

const invalidIds = [
  'nonsense',
  '0012',
  '-1',
  '1.5',
  '0x10',
  '%2012',
  '1e3',
  '9223372036854775808',
  `${JOB_ID}0`,
  '%00',
  '..%2f..',
  'a'.repeat(1000),
  '%F0%9F%98%80',
  '__proto__',
  JOB_ID.replaceAll('-', ''),
]
t.test(
  'answers with invalid-job-id for invalid ids, without a request to CDF and without an echo',
  async (t) => {
    const { simulator, quality } = await startService(t)
    for (const id of invalidIds) {
      const answer = await quality(id, { 'x-request-id': 'r' })
      assertProblem(t, answer, 400, 'invalid-job-id')
      t.strictSame(
        answer.body,
        new ProblemError('invalid-job-id').toProblem('r'),
        'no part of the id',
      )
    }
    t.equal(simulator.cdf.requests.length, 0)
  },
)

t.test('answers with overloaded when the queue is full', async (t) => {
  const environment = { UPSTREAM_MAX_CONCURRENCY: '1', UPSTREAM_MAX_QUEUE: '1' }
  const { simulator, quality } = await startService(t, { environment })
  simulator.cdf.faults.standing = { delayMs: 200 }
  for (const number of [1, 2, 3]) simulator.cdf.addJob(lasting(jobIdOf(number), 'Running'))
  const answers = await Promise.all([1, 2, 3].map((number) => quality(jobIdOf(number))))
  t.strictSame(answers.map(({ status }) => status).sort(), [200, 200, 503])
  const rejected = answers.find(({ status }) => status === 503)
  if (!rejected) return t.fail('no request was rejected')
  assertProblem(t, rejected, 503, 'overloaded')
  t.equal(rejected.headers.get('retry-after'), '1')
})

t.test(
  'answers with internal-error after an unexpected error, whose details are only in the log',
  async (t) => {
    const { app, quality, logs } = await startService(t)
    app.jobReader.read = () => {
      throw new TypeError('an internal detail')
    }
    const answer = await quality(JOB_ID, { 'x-request-id': 'r-1' })
    assertProblem(t, answer, 500, 'internal-error')
    t.notMatch(answer.text, 'an internal detail')
    t.match(
      logs.find(({ level }) => level === 50),
      {
        requestId: 'r-1',
        err: { type: 'TypeError', message: 'an internal detail', stack: String },
      },
    )
  },
)

t.test('answers with internal-error after a thrown value that is not an Error', async (t) => {
  const { app, quality } = await startService(t)
  for (const thrown of [undefined, null, 'text', {}]) {
    app.jobReader.read = () => Promise.reject(thrown)
    assertProblem(t, await quality(), 500, 'internal-error')
  }
})

t.test(
  'sends no request for any job during a cool-down, and serves cached responses',
  async (t) => {
    const { simulator, quality, clock } = await startService(t, { clock: 'fake' })
    for (const number of [1, 2, 3]) simulator.cdf.addJob(lasting(jobIdOf(number), 'Running'))
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    await quality()
    await quality(jobIdOf(1))
    clock.advance(1_000)
    simulator.cdf.faults.standing = { status: 429 }
    assertProblem(t, await quality(jobIdOf(2)), 503, 'upstream-throttled')
    const { length } = simulator.cdf.requests
    for (let call = 0; call < 10; call += 1) {
      assertProblem(t, await quality(jobIdOf(3)), 503, 'upstream-throttled')
      t.equal((await quality()).headers.get('cache-status'), 'cdf-job-quality; hit')
      const stale = await quality(jobIdOf(1))
      t.equal(stale.status, 200)
      t.match(stale.headers.get('cache-status'), 'stale-if-error')
    }
    t.equal(simulator.cdf.requests.length, length)
    simulator.cdf.faults.clear()
    clock.advance(1_200)
    t.equal((await quality(jobIdOf(3))).status, 200)
  },
)

t.test('sends fewer than 30 requests per minute while CDF throttles', async (t) => {
  const { simulator, quality, clock } = await startService(t, {
    clock: 'fake',
    environment: { RATE_LIMIT_PER_MINUTE: '0' },
  })
  simulator.cdf.faults.standing = { status: 429 }
  for (let second = 0; second < 60; second += 1) {
    const answers = await Promise.all([1, 2, 3, 4].map((number) => quality(jobIdOf(number))))
    t.ok(answers.every(({ body }) => (body as Problem).code === 'upstream-throttled'))
    clock.advance(1_000)
  }
  t.ok(simulator.cdf.requests.length < 30, `${simulator.cdf.requests.length} requests`)
})

t.test(
  'sends only probes while the circuit is open, and closes it when CDF recovers',
  async (t) => {
    const { simulator, quality, clock, logs } = await startService(t, { clock: 'fake' })
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    simulator.cdf.faults.standing = 'reset'
    while (((await quality()).body as Problem).code === 'upstream-error') clock.advance(1)
    const opened = simulator.cdf.requests.length
    const rejected = await quality()
    assertProblem(t, rejected, 503, 'upstream-unavailable')
    t.ok(Number(rejected.headers.get('retry-after')) >= 1)
    for (const seconds of [5, 10, 20, 30, 30]) {
      clock.advance(seconds * 1000)
      await Promise.all(Array.from({ length: 20 }, (_, number) => quality(jobIdOf(number))))
    }
    t.equal(
      simulator.cdf.requests.length - opened,
      5,
      'one probe each time the circuit is half open',
    )
    simulator.cdf.faults.clear()
    clock.advance(30_000)
    t.equal((await quality()).status, 200)
    t.equal((await quality(jobIdOf(1))).status, 404)
    t.strictSame(
      logs.filter(({ msg }) => msg === 'circuit breaker state changed').map(({ state }) => state),
      ['open', 'closed'],
    )
  },
)
