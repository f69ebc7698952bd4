import { getEventListeners } from 'node:events'
import t from 'tap'
import { createClient, ProblemError } from '../../client/src/index.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { progressing } from '../support/fake-time-service.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort, startServer } from '../support/local-server.ts'
import { recordingFetch } from '../support/recording-fetch.ts'
import { recordingClient, startClient } from '../support/start-client.ts'
import { until } from '../support/wait.ts'

/** The error with which a promise rejects. */
const errorOf = (promise: Promise<unknown>): Promise<ProblemError> =>
  promise.then(
    () => {
      throw new Error('not rejected')
    },
    (error) => error,
  )

t.test('returns the same object while the job has not changed, from a 304', async (t) => {
  const { client, requests, simulator, quality, advance } = await startClient(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  const first = await client.get(JOB_ID.toUpperCase())
  t.match(first, { jobId: JOB_ID, status: 'Queued' })
  t.equal(await client.get(JOB_ID), first)
  t.strictSame(
    requests.map(({ status, url }) => [status, url.pathname]),
    [
      [200, `/jobs/${JOB_ID}/quality`],
      [304, `/jobs/${JOB_ID}/quality`],
    ],
  )
  await advance(10_000)
  t.strictSame(await client.get(JOB_ID), (await quality()).body)
  t.equal(requests[2]?.status, 200)
})

t.test('keeps the responses of the last 1,000 jobs', async (t) => {
  const url = await startServer(t, (request, response) => {
    const isKnown = request.headers['if-none-match'] !== undefined
    response.writeHead(isKnown ? 304 : 200, { etag: '"tag"' })
    response.end(isKnown ? undefined : '{"status":"Running"}')
  })
  const { client, requests } = recordingClient({ baseUrl: url }, new FakeClock())
  for (let number = 0; number < 1_000; number += 1) await client.get(jobIdOf(number))
  await client.get(jobIdOf(0))
  t.equal(requests.at(-1)?.status, 304)
  await client.get(jobIdOf(1_000))
  await client.get(jobIdOf(0))
  t.equal(requests.at(-1)?.status, 304, 'used again just before')
  await client.get(jobIdOf(1))
  t.equal(requests.at(-1)?.status, 200, 'the one that was not used for longest is dropped')
})

t.test('asks for a token for each request, and for another one after a 401, once', async (t) => {
  const tokens: string[] = []
  const rejected: (string | undefined)[] = []
  const { client, requests, simulator } = await startClient(
    t,
    { AUTH_MODE: 'jwt' },
    {
      token: (rejectedToken) => {
        rejected.push(rejectedToken)
        return Promise.resolve(tokens.shift() ?? 'none')
      },
    },
  )
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const valid = await simulator.identityProvider.signCallerToken()
  tokens.push(valid, 'expired', valid)
  await client.get(JOB_ID)
  t.match(await client.get(JOB_ID), { status: 'Completed' })
  t.strictSame(rejected, [undefined, undefined, 'expired'])
  t.match(await errorOf(client.get(JOB_ID)), { code: 'unauthenticated', isTransient: false })
  t.strictSame(
    requests.map(({ status }) => status),
    [200, 401, 304, 401, 401],
  )
})

t.test('does not repeat a request with a fixed token', async (t) => {
  const { client, requests } = await startClient(t, { AUTH_MODE: 'jwt' }, { token: 'invalid' })
  t.match(await errorOf(client.get(JOB_ID)), { code: 'unauthenticated', status: 401 })
  t.equal(requests.length, 1)
})

t.test('passes on errors of the token function; a lost connection is transient', async (t) => {
  const failures = [new Error('login required'), new TypeError('fetch failed')]
  const [loginRequired, noConnection] = failures
  const token = () => Promise.reject(failures.shift())
  const client = createClient({ baseUrl: 'http://127.0.0.1:1', token })
  t.equal(await errorOf(client.get(JOB_ID)), loginRequired)
  const error = await errorOf(client.get(JOB_ID))
  t.match(error, { code: 'connection-failed', status: 0, isTransient: true, cause: noConnection })
})

t.test('throws the problem of the service', async (t) => {
  const { client, simulator } = await startClient(t)
  const permanent = await errorOf(client.get(JOB_ID))
  t.ok(permanent instanceof ProblemError)
  t.match(permanent, {
    name: 'ProblemError',
    message: /^CDF has no such job/,
    code: 'job-not-found',
    status: 404,
    requestId: /^[\da-f-]{36}$/,
    isTransient: false,
  })
  t.equal(permanent.retryAfterSeconds, undefined)
  simulator.cdf.faults.next({ status: 429, headers: { 'retry-after': '7' } })
  t.match(await errorOf(client.get('1')), {
    code: 'upstream-throttled',
    status: 503,
    retryAfterSeconds: 7,
    isTransient: true,
  })
})

t.test('tells a response of another server from one of the service', async (t) => {
  const responses: [number, Record<string, string>, string][] = [
    [504, { 'retry-after': '3' }, '<html>'],
    [503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }, '[]'],
    [500, {}, 'null'],
    [404, { 'x-request-id': 'mine', 'retry-after': 'soon' }, ''],
    [200, { 'content-type': 'text/html' }, '<html>'],
    [200, { 'content-type': 'application/json' }, '{}'],
    [502, {}, '{"code":"BadGateway","message":"no healthy upstream"}'],
    [503, {}, '{"code":"a","detail":"b","retryAfterSeconds":"soon"}'],
  ]
  const url = await startServer(t, (_request, response) => {
    const [status, headers, body] = responses.shift() ?? [200, {}, '']
    response.writeHead(status, headers).end(body)
  })
  const { client } = recordingClient({ baseUrl: url }, new FakeClock())
  const errors: ProblemError[] = []
  while (responses.length > 0) errors.push(await errorOf(client.get(JOB_ID)))
  t.ok(errors.every(({ code }) => code === 'unexpected-response'))
  t.strictSame(
    errors.map(({ status, isTransient }) => [status, isTransient]),
    [
      [504, true],
      [503, true],
      [500, false],
      [404, false],
      [200, false],
      [200, false],
      [502, true],
      [503, true],
    ],
  )
  t.equal(errors[0]?.retryAfterSeconds, 3)
  const untilDate = errors[1]?.retryAfterSeconds ?? 0
  t.ok(untilDate > 0 && untilDate <= 60, 'a date')
  t.match(errors[3], { requestId: 'mine', message: 'Unexpected response with status 404' })
  t.equal(errors[3]?.retryAfterSeconds, undefined)
})

t.test('fails if there is no response, or only a part of one', async (t) => {
  const { client: unconnected } = recordingClient(
    { baseUrl: `http://127.0.0.1:${await freePort()}` },
    new FakeClock(),
  )
  const refused = await errorOf(unconnected.get(JOB_ID))
  t.match(refused, { code: 'connection-failed', status: 0, isTransient: true, cause: Error })

  const url = await startServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy())
  })
  const { client } = recordingClient({ baseUrl: url }, new FakeClock())
  t.match(await errorOf(client.get(JOB_ID)), { code: 'connection-failed', isTransient: true })
})

t.test('ends after 30 seconds without a response, or when its signal aborts', async (t) => {
  let received = 0
  let disconnected = 0
  const url = await startServer(t, (_request, response) => {
    received += 1
    response.once('close', () => {
      disconnected += 1
    })
  })
  const clock = new FakeClock()
  const { client, requests } = recordingClient({ baseUrl: url }, clock)
  const slow = errorOf(client.get(JOB_ID))
  await until(() => received === 1)
  clock.advance(30_000)
  t.match(await slow, { code: 'connection-failed', message: 'No response for 30 s' })

  const controller = new AbortController()
  const aborted = errorOf(client.get(JOB_ID, controller))
  await until(() => received === 2)
  controller.abort()
  t.equal(await aborted, controller.signal.reason)
  t.equal(await errorOf(client.get(JOB_ID, controller)), controller.signal.reason)
  t.equal(requests.length, 2)
  await until(() => disconnected === 2)
  t.equal(clock.timers.size, 0)
})

t.test('ends when its signal aborts while the token function is pending', async (t) => {
  const client = createClient({ baseUrl: 'http://127.0.0.1:1', token: () => new Promise(() => {}) })
  const signal = AbortSignal.timeout(1)
  t.match(await errorOf(client.get(JOB_ID, { signal })), { name: 'TimeoutError' })
})

t.test('one signal ends any number of requests, and gets one listener', async (t) => {
  const url = await startServer(t, () => {})
  const { client, requests } = recordingClient({ baseUrl: url }, new FakeClock())
  const controller = new AbortController()
  const { signal } = controller
  const ids = Array.from({ length: 12 }, (_, number) => jobIdOf(number))
  const errors = ids.map((id) => errorOf(client.get(id, { signal })))
  errors.push(errorOf(client.follow(ids, { signal }).next()))
  await until(() => requests.length === 13)
  t.equal(getEventListeners(signal, 'abort').length, 1, 'older versions of Node warn of 11')
  controller.abort()
  for (const error of errors) t.equal(await error, signal.reason)
})

t.test('accepts a base URL with a path, and rejects a relative one', async (t) => {
  const paths: (string | undefined)[] = []
  const url = await startServer(t, (request, response) => {
    paths.push(request.url)
    response.end('{"status":"Running"}')
  })
  for (const baseUrl of [url, `${url}/`, `${url}/quality`, `${url}/quality/`])
    await createClient({ baseUrl }).get('1')
  const path = '/jobs/1/quality'
  t.strictSame(paths, [path, path, `/quality${path}`, `/quality${path}`])
  t.throws(() => createClient({ baseUrl: '/quality' }), TypeError)
  t.throws(() => createClient({ baseUrl: 'localhost:3000' }), TypeError, 'a URL without a scheme')
})

t.test('an access token that no header can have is no lost connection', async (t) => {
  const { requests, fetch } = recordingFetch()
  const errorWith = (token: string) =>
    errorOf(createClient({ baseUrl: 'http://127.0.0.1:1', token, fetch }).get(JOB_ID))
  for (const token of ['eyJhbGciOi…', 'a\nb']) {
    const error = await errorWith(token)
    t.ok(error instanceof TypeError)
    t.notMatch(error.message, token)
  }
  t.equal(requests.length, 0)
})

t.test('a list in another form is not from the service', async (t) => {
  const bodies = ['{"items":null}', '{"items":[]}']
  const url = await startServer(t, (_request, response) => response.end(bodies.shift()))
  const client = createClient({ baseUrl: url })
  for (const _ of ['no array', 'too short'])
    t.match(await errorOf(client.list([JOB_ID])), { code: 'unexpected-response' })
})

t.test('a list has a result for any text', async (t) => {
  const { client } = await startClient(t)
  const texts = ['', '0012', 'İ'.repeat(64), `${'x'.repeat(63)}😀`, '\ud800']
  const results = await client.list(texts)
  t.ok(results.every(({ problem }) => problem?.code === 'invalid-job-id'))
  const followed: string[] = []
  for await (const { jobId } of client.follow(texts)) followed.push(jobId)
  t.strictSame(
    followed,
    results.map(({ jobId }) => jobId),
  )
})

t.test('a list has a result for each id, in order, from pages of 100 jobs', async (t) => {
  const { client, requests, simulator } = await startClient(t)
  for (let number = 0; number < 250; number += 1)
    simulator.cdf.addJob(lasting(jobIdOf(number), 'Running'))
  const ids = Array.from({ length: 250 }, (_, number) => jobIdOf(number))
  ids.splice(120, 0, JOB_ID, jobIdOf(5).toUpperCase())
  const results = await client.list(ids)
  t.strictSame(
    results.map(({ jobId }) => jobId),
    ids.map((id) => id.toLowerCase()),
  )
  t.match(results[120], { quality: null, problem: { code: 'job-not-found' } })
  t.equal(results[121], results[5])
  t.match(results[5], { quality: { status: 'Running' }, problem: null })
  t.strictSame(
    requests.map(({ url }) => url.searchParams.getAll('jobId').length),
    [100, 100, 51],
  )
  t.strictSame(await client.list([]), [])
  t.equal(requests.length, 3)
})
