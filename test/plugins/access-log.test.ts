import { connect } from 'node:net'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const UUID = /^[0-9a-f-]{36}$/

t.test('logs a request in one line, with exactly these members', async (t) => {
  const { get, quality, simulator, logs } = await startService(t, {
    environment: { AUTH_MODE: 'jwt', LOG_LEVEL: 'info' },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  simulator.cdf.faults.next({ status: 503 })
  const token = await simulator.identityProvider.signCallerToken({ sub: 'somebody' })
  const authorization = `Bearer ${token}`
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`
  await quality(JOB_ID, { authorization, 'x-request-id': 'mine', traceparent })
  await quality(JOB_ID, { authorization })
  await quality('7', { authorization })
  await get('/health/live')
  const lines = logs.filter(({ msg }) => msg === 'request')
  t.equal(lines.length, 3)
  const [miss = {}, hit = {}, unknown = {}] = lines
  const common = ['level', 'time', 'pid', 'hostname', 'requestId', 'msg']
  t.strictSame(
    Object.keys(miss).filter((key) => !common.includes(key)),
    [
      ...['traceId', 'jobId', 'method', 'route', 'status', 'mode', 'caller', 'cache', 'upstream'],
      'durationMs',
    ],
  )
  t.match(miss, {
    level: 30,
    requestId: 'mine',
    traceId,
    method: 'GET',
    route: '/jobs/:jobId/quality',
    mode: 'plain',
    jobId: JOB_ID,
    status: 200,
    caller: { client: 'demo-caller', subject: /^[\w-]{16}$/ },
    cache: 'miss',
    upstream: { attempts: 2, status: 200, requestId: UUID, durationMs: Number },
    durationMs: Number,
  })
  t.match(hit, { cache: 'hit', upstream: undefined, caller: miss.caller as object })
  t.match(hit.traceId, /^[0-9a-f]{32}$/, 'a new trace without a traceparent')
  const sent = simulator.cdf.requests.at(-1)?.headers.find(([name]) => name === 'traceparent')
  t.equal(unknown.traceId, sent?.[1].slice(3, 35), 'the trace that CDF gets')
  t.match(unknown, { status: 404, code: 'job-not-found', upstream: { attempts: 1, status: 404 } })
  t.notMatch(JSON.stringify(logs), /somebody|eyJ/, 'no subject and no token')
})

t.test('logs no query, no invalid job id, and no successful probe', async (t) => {
  const { get, simulator, logs } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await get(`/jobs/${JOB_ID}/quality?token=very-secret`)
  await get('/jobs/very-secret/quality')
  await get('/health/live')
  await get('/health/ready')
  t.equal(logs.filter(({ msg }) => msg === 'request').length, 2)
  t.notMatch(JSON.stringify(logs), 'very-secret')
})

t.test('logs the number of jobs in a list or a stream', async (t) => {
  const { get, simulator, logs } = await startService(t)
  for (const jobId of ['1', '2']) simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  await get('/jobs/quality?jobId=1&jobId=2')
  await get('/jobs/quality/events?jobId=1&jobId=2')
  const lines = logs.filter(({ msg }) => msg === 'request')
  t.match(lines, [
    { route: '/jobs/quality', mode: 'plain', jobs: 2, cache: 'miss', status: 200 },
    { route: '/jobs/quality/events', mode: 'stream', jobs: 2, status: 200 },
  ])
})

t.test('logs a deviation from the reference with the request id', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', { confidencePercent: 'x' }))
  await quality(JOB_ID, { 'x-request-id': 'mine' })
  t.match(
    logs.filter(({ msg }) => msg === 'CDF deviates from its reference'),
    [{ field: 'confidencePercent', requestId: 'mine' }],
  )
})

t.test('logs failed requests to CDF, not successful ones', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.next({ status: 429 })
  await quality('2', { 'x-request-id': 'mine' })
  t.match(
    logs.filter(({ msg }) => msg === 'CDF request'),
    [{ outcome: 'upstream-throttled', upstream: { status: 429 }, requestId: 'mine', level: 30 }],
  )
})

t.test('logs each deviating value once', async (t) => {
  const { quality, simulator, logs } = await startService(t, {
    environment: { JOB_STATUS_FRESH_MS: '0' },
  })
  for (const [number, status] of ['Paused', 'Paused', 'Resting'].entries()) {
    simulator.cdf.addJob(lasting(jobIdOf(number), status))
    await quality(jobIdOf(number))
    await quality(jobIdOf(number))
  }
  t.strictSame(
    logs.filter(({ field }) => field === 'status').map(({ value }) => value),
    ['Paused', 'Resting'],
  )
})

t.test(
  'logs and counts callers that disconnect during authentication, without a request to CDF',
  async (t) => {
    const { port, simulator, logs, app, quality } = await startService(t, {
      environment: { AUTH_MODE: 'jwt' },
      prepare: ({ identityProvider }) => {
        identityProvider.faults.standing = { delayMs: 300 }
      },
    })
    const token = await simulator.identityProvider.signCallerToken()
    const paths = [
      `/jobs/${JOB_ID}/quality`,
      `/jobs/${JOB_ID}/quality/events`,
      `/jobs/quality?jobId=${JOB_ID}`,
    ]
    let arrived = 0
    app.server.on('request', () => {
      arrived += 1
    })
    const sockets = paths.map((path) => {
      const socket = connect(port, '127.0.0.1')
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nPrefer: wait=20\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      )
      return socket
    })
    await until(() => arrived === paths.length)
    for (const socket of sockets) socket.destroy()
    const lines = () => logs.filter(({ msg }) => msg === 'request')
    await until(() => lines().length === paths.length)
    t.ok(lines().every(({ status }) => status === 499))
    await until(() => app.lifeCycle.readinessBlockers.size === 0)
    // A later caller is served.
    await quality('7', { authorization: `Bearer ${token}` })
    t.equal(simulator.cdf.requests.length, simulator.cdf.readsOf('7'))
    t.equal(app.jobPoller.sizes.watchers, 0)
    await until(() => lines().length > paths.length)
    t.equal(lines().length, paths.length + 1, 'one line per request')
    t.match(await app.metrics.text(), 'status="499"')
  },
)

t.test('logs pipelined requests whose caller disconnects', async (t) => {
  const { port, simulator, logs, app } = await startService(t)
  for (const jobId of ['1', '2']) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const socket = connect(port, '127.0.0.1')
  for (const jobId of ['1', '2']) {
    socket.write(
      `GET /jobs/${jobId}/quality HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-${jobId}\r\nPrefer: wait=20\r\n\r\n`,
    )
  }
  await until(() => app.jobPoller.sizes.watchers === 2)
  socket.destroy()
  const lines = () => logs.filter(({ msg }) => msg === 'request')
  await until(() => lines().length >= 2)
  t.strictSame(
    lines().map(({ requestId, status }) => [requestId, status]),
    [
      ['mine-1', 499],
      ['mine-2', 499],
    ],
  )
  t.equal(app.jobPoller.sizes.watchers, 0)
})
