import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { openEvents } from '../support/event-stream.ts'
import { progressing, startFakeTimeService } from '../support/fake-time-service.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { holdRequests } from '../support/held-requests.ts'
import { request } from '../support/request.ts'
import { AUDIENCE, startTestIssuer } from '../support/test-issuer.ts'
import { until } from '../support/wait.ts'

const PATH = `/jobs/${JOB_ID}/quality/events`
const pathOf = (...jobIds: string[]) =>
  `/jobs/quality/events?${jobIds.map((jobId) => `jobId=${jobId}`).join('&')}`

t.test('streams each status of a job until it is done', async (t) => {
  const { url, simulator, quality, advance } = await startFakeTimeService(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  const stream = await openEvents(t, `${url}${PATH}`)
  t.equal(stream.status, 200)
  t.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(stream.headers.get('x-accel-buffering'), 'no')
  t.equal(stream.headers.get('cache-control'), 'private, no-cache, no-transform')
  t.equal(stream.headers.get('content-encoding'), null)
  t.equal(stream.headers.get('vary'), 'Authorization')
  t.equal(stream.headers.get('x-content-type-options'), 'nosniff')
  t.ok(stream.headers.get('x-request-id'))

  await until(() => stream.events.length === 1)
  t.strictSame(stream.retries, [2000])
  const first = await quality()
  t.strictSame(stream.events[0], {
    event: 'status',
    id: first.headers.get('etag') ?? '',
    data: first.text,
  })
  await advance(10_000)
  await until(() => stream.events.length === 2)
  await advance(10_000)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Queued', 'Running', 'Completed'])
  const last = await quality()
  t.equal(last.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(stream.events[2]?.id, last.headers.get('etag'))
  t.equal(stream.events[2]?.data, last.text)
})

t.test('sends one event for a done job and ends', async (t) => {
  const { url, simulator } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Failed', { errorMessage: 'line\nbreaks\rand more' }))
  for (const _ of ['from CDF', 'from the cache']) {
    const stream = await openEvents(t, `${url}${PATH}`)
    await until(stream.hasEnded)
    t.strictSame(stream.states(), ['Failed'])
  }
  t.equal(simulator.cdf.requests.length, 1)
})

t.test('answers 204 if Last-Event-ID is the final state', async (t) => {
  const { url, simulator, quality, get } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
  const etag = (await quality()).headers.get('etag') ?? ''
  for (const lastEventId of [etag, `W/${etag}`, etag.replace(/"$/, '-br"')]) {
    const stop = await get(PATH, { 'last-event-id': lastEventId })
    t.equal(stop.status, 204, lastEventId)
    t.equal(stop.text, '')
  }
  for (const lastEventId of ['"other"', '', 'é']) {
    const stream = await openEvents(t, `${url}${PATH}`, { 'last-event-id': lastEventId })
    await until(stream.hasEnded)
    t.strictSame(stream.states(), ['Completed'], lastEventId)
  }
  const running = (await quality(jobIdOf(1))).headers.get('etag') ?? ''
  const stream = await openEvents(t, `${url}/jobs/${jobIdOf(1)}/quality/events`, {
    'last-event-id': running,
  })
  await until(() => stream.events.length === 1)
  t.strictSame(stream.states(), ['Running'], 'sends the state of a pending job again')
})

t.test('sends one problem event for an unknown job and ends, then answers 204', async (t) => {
  const { url, get } = await startFakeTimeService(t)
  const stream = await openEvents(t, `${url}${PATH}`, { 'x-request-id': 'mine' })
  await until(stream.hasEnded)
  t.equal(stream.events[0]?.event, 'problem')
  const problem = JSON.parse(stream.events[0]?.data ?? '')
  t.match(problem, {
    type: '/problems/job-not-found',
    code: 'job-not-found',
    requestId: 'mine',
    jobId: JOB_ID,
  })
  t.notOk('status' in problem, 'in a JobQuality, status is a text')
  const again = await get(PATH, { 'last-event-id': stream.events[0]?.id ?? '' })
  t.equal(again.status, 204)
})

t.test(
  'sends a problem event after a transient failure, and the state when CDF recovers',
  async (t) => {
    const { url, simulator, advance } = await startFakeTimeService(t, {
      JOB_STALE_IF_ERROR_SECONDS: '0',
    })
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    simulator.cdf.faults.next({ status: 429 })
    const stream = await openEvents(t, `${url}${PATH}`)
    await until(() => stream.events.length === 1)
    await advance(2_000)
    await until(() => stream.events.length === 2)
    simulator.cdf.faults.standing = { status: 500 }
    await advance(4_000)
    simulator.cdf.faults.clear()
    await advance(60_000)
    await until(() => stream.events.length === 4)
    t.strictSame(stream.states(), ['upstream-throttled', 'Running', 'upstream-error', 'Running'])
    t.notOk(stream.hasEnded())
  },
)

t.test('sends no event while CDF fails and the cached response may be served', async (t) => {
  const { url, simulator, advance } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => stream.events.length === 1)
  simulator.cdf.faults.standing = { status: 500 }
  await advance(10_000)
  t.strictSame(stream.states(), ['Running'])
})

t.test('streams several jobs until all of them are done', async (t) => {
  const { url, simulator, get, advance } = await startFakeTimeService(t)
  const [done, pending, unknown] = [jobIdOf(1), jobIdOf(2), jobIdOf(3)]
  simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
  simulator.cdf.addJob(progressing(pending))
  const path = pathOf(done, pending, unknown, done.toUpperCase())
  const stream = await openEvents(t, `${url}${path}`)
  await until(() => stream.events.length === 3)
  await advance(10_000)
  await until(() => stream.events.length === 4)
  await advance(10_000)
  await until(stream.hasEnded)
  const byJob = Object.groupBy(
    stream.events.map(({ data }) => JSON.parse(data)),
    ({ jobId }) => jobId,
  )
  t.strictSame(
    Object.fromEntries(
      Object.entries(byJob).map(([id, events = []]) => [
        id,
        events.map(({ code, status }) => code ?? status),
      ]),
    ),
    {
      [done]: ['Completed'],
      [pending]: ['Queued', 'Running', 'Completed'],
      [unknown]: ['job-not-found'],
    },
  )
  t.equal(simulator.cdf.readsOf(done), 1)

  const last = { 'last-event-id': stream.events.at(-1)?.id ?? '' }
  t.equal((await get(path, last)).status, 204, 'the last id covers all jobs')
  for (const { id = '' } of stream.events.slice(0, -1)) {
    const more = await openEvents(t, `${url}${path}`, { 'last-event-id': id })
    await until(more.hasEnded)
    t.equal(more.events.length, 3, 'an earlier id covers fewer states')
  }
})

t.test('loses no state if the connection breaks between two events', async (t) => {
  const { url, simulator, advance } = await startFakeTimeService(t)
  const [pending, done] = [jobIdOf(1), jobIdOf(2)]
  simulator.cdf.addJob(progressing(pending))
  simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
  const stream = await openEvents(t, `${url}${pathOf(pending, done)}`)
  await until(() => stream.events.length === 2)
  stream.close()
  await advance(10_000)
  await advance(10_000)
  for (const { id = '' } of stream.events) {
    const resumed = await openEvents(t, `${url}${pathOf(pending, done)}`, { 'last-event-id': id })
    await until(resumed.hasEnded)
    t.strictSame(resumed.states().sort(), ['Completed', 'Completed'])
  }
})

t.test('events of different jobs never have the same id', async (t) => {
  const { url, get } = await startFakeTimeService(t)
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(stream.hasEnded)
  const other = await openEvents(t, `${url}/jobs/${jobIdOf(1)}/quality/events`, {
    'last-event-id': stream.events[0]?.id ?? '',
  })
  await until(other.hasEnded)
  t.equal(other.events.length, 1)
  t.not(other.events[0]?.id, stream.events[0]?.id)
  const list = { 'last-event-id': stream.events[0]?.id ?? '' }
  t.not((await get(pathOf(JOB_ID, jobIdOf(1)), list)).status, 204)
})

t.test('every block of a stream is an event with data and an id, or a comment', async (t) => {
  const { url, simulator, advance } = await startFakeTimeService(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  simulator.cdf.faults.next({ status: 429 })
  const stream = await openEvents(t, `${url}${pathOf(JOB_ID, jobIdOf(1))}`)
  await until(() => stream.events.length === 2)
  await advance(60_000)
  await until(stream.hasEnded)
  const blocks = stream.text().split('\n\n')
  t.equal(blocks.pop(), '')
  for (const block of blocks) {
    const fields = block.split('\n').filter((line) => !line.startsWith(':'))
    t.strictSame(
      fields.map((field) => field.slice(0, field.indexOf(':'))).filter((name) => name !== 'retry'),
      ['event', 'data', 'id'],
    )
  }
  t.match(stream.text(), /^: keep-alive\nretry: 2000\nevent: /)
  t.strictSame(stream.retries, [2000], 'once')
})

t.test('shares one poll of CDF per job among all streams, waits and plain requests', async (t) => {
  const { url, simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const streams = await Promise.all([
    ...Array.from({ length: 30 }, () => openEvents(t, `${url}${PATH}`)),
    ...Array.from({ length: 30 }, () => openEvents(t, `${url}${pathOf(JOB_ID, jobIdOf(1))}`)),
  ])
  await until(() => streams.every(({ events }) => events.length > 0))
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  for (let second = 1; second <= 5; second += 1) {
    await advance(1_000)
    await quality()
    t.equal(simulator.cdf.readsOf(JOB_ID), 1 + second)
  }
  for (const { close } of streams) close()
  await until(() => clock.timers.size === 0)
  const before = simulator.cdf.requests.length
  await advance(60_000)
  t.equal(simulator.cdf.requests.length, before, 'no read after all callers have disconnected')
})

t.test('sends a comment every 15 seconds as a keep-alive', async (t) => {
  const { url, simulator, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => stream.events.length === 1)
  const comments = stream.comments.length
  clock.advance(15_000)
  await until(() => stream.comments.length === comments + 1)
  clock.advance(30_000)
  await until(() => stream.comments.length === comments + 3)
  t.strictSame(stream.states(), ['Running'])
})

t.test('ends when the access token of the caller expires', async (t) => {
  const { url, simulator, clock } = await startFakeTimeService(t, { AUTH_MODE: 'jwt' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const exp = Math.floor(Date.now() / 1000) + 120
  const token = await simulator.identityProvider.signCallerToken({ exp })
  const stream = await openEvents(t, `${url}${PATH}`, { authorization: `Bearer ${token}` })
  await until(() => stream.events.length === 1)
  const comments = stream.comments.length
  clock.advance(110_000)
  await until(() => stream.comments.length > comments)
  t.notOk(stream.hasEnded())
  clock.advance(10_000)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Running'])
})

t.test('sends one state to a caller whose access token has just expired', async (t) => {
  const { url, simulator, clock } = await startFakeTimeService(t, { AUTH_MODE: 'jwt' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  // Expired, but within the clock tolerance.
  const exp = Math.floor(Date.now() / 1000) - 10
  const token = await simulator.identityProvider.signCallerToken({ exp })
  const stream = await openEvents(t, `${url}${PATH}`, { authorization: `Bearer ${token}` })
  await until(() => stream.events.length === 1)
  clock.advance(0)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Running'])
})

t.test('does not delay the other jobs for a slow one when a stream resumes', async (t) => {
  const { url, app, simulator, quality, clock } = await startFakeTimeService(t, {
    UPSTREAM_ATTEMPT_TIMEOUT_MS: '2000',
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.next('hang')
  const waiting = quality('1')
  await until(() => simulator.cdf.readsOf('1') === 1)
  const opening = openEvents(t, `${url}${pathOf('1', JOB_ID)}`, { 'last-event-id': '"other"' })
  await until(() => app.jobReader.latest(JOB_ID as JobId) !== undefined)
  clock.advance(1_000)
  const stream = await opening
  await until(() => stream.events.length === 1)
  t.strictSame(stream.states(), ['Running'])
  t.equal(simulator.cdf.readsOf('1'), 1, 'no second read of the slow job')
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  await waiting
})

t.test('requires an access token, and rejects invalid job ids', async (t) => {
  const { get, simulator } = await startFakeTimeService(t, { AUTH_MODE: 'jwt' })
  for (const path of [PATH, pathOf(JOB_ID)]) {
    assertProblem(t, await get(path), 401, 'unauthenticated')
  }
  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  const invalid = await get('/jobs/0012/quality/events', { authorization })
  assertProblem(t, invalid, 400, 'invalid-job-id')
  assertProblem(t, await get(pathOf(), { authorization }), 400, 'invalid-request')
  t.equal(simulator.cdf.requests.length, 0)
})

t.test(
  'sends a permanent problem for an invalid job id in a list, and follows the others',
  async (t) => {
    const { url, get, simulator } = await startFakeTimeService(t, {
      AUTH_MODE: 'jwt',
      CALLER_MAX_WATCHED_JOBS: '1',
    })
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
    const path = pathOf('0012', JOB_ID, 'x')
    const stream = await openEvents(t, `${url}${path}`, { authorization })
    await until(stream.hasEnded)
    const received = stream.events.map(({ event, data }) => ({ event, ...JSON.parse(data) }))
    const byId = (jobId: string) => received.find((event) => event.jobId === jobId)
    for (const jobId of ['0012', 'x']) {
      t.match(byId(jobId), { event: 'problem', code: 'invalid-job-id' })
      t.notOk('retryAfterSeconds' in byId(jobId))
    }
    t.match(byId(JOB_ID), { event: 'status', status: 'Completed' })
    t.equal(received.length, 3)
    t.equal(simulator.cdf.requests.length, 1, 'only valid ids are read, and count as watched jobs')

    const [, lastEventId = ''] = [...stream.text().matchAll(/^id: (.*)$/gm)].at(-1) ?? []
    const again = await get(path, { authorization, 'last-event-id': lastEventId })
    t.equal(again.status, 204)
    t.equal(simulator.cdf.requests.length, 1)
  },
)

t.test('limits the concurrent streams of each caller', async (t) => {
  const { url, simulator } = await startFakeTimeService(t, {
    AUTH_MODE: 'jwt',
    CALLER_MAX_STREAMS: '2',
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const headersOf = async (sub: string) => ({
    authorization: `Bearer ${await simulator.identityProvider.signCallerToken({ sub })}`,
  })
  const mine = await headersOf('me')
  const first = await openEvents(t, `${url}${PATH}`, mine)
  await openEvents(t, `${url}${PATH}`, await headersOf('me'))
  const refused = await request(`${url}${PATH}`, { headers: mine })
  assertProblem(t, refused, 429, 'too-many-requests')
  t.equal(refused.headers.get('retry-after'), '5')
  t.equal(refused.headers.get('x-accel-buffering'), null)
  t.match((refused.body as { detail: string }).detail, /too many open streams/)
  t.equal((await openEvents(t, `${url}${PATH}`, await headersOf('you'))).status, 200)
  t.equal((await request(`${url}/jobs/${JOB_ID}/quality`, { headers: mine })).status, 200)
  first.close()
  let again = 0
  while (again !== 200) again = (await openEvents(t, `${url}${PATH}`, mine)).status
  t.pass('accepts a new stream after one has ended')
})

t.test('limits the jobs in all streams and waits of each caller', async (t) => {
  const { url, simulator, app, clock } = await startFakeTimeService(t, {
    AUTH_MODE: 'jwt',
    CALLER_MAX_WATCHED_JOBS: '4',
  })
  const ids = Array.from({ length: 5 }, (_, number) => jobIdOf(number))
  for (const jobId of ids) simulator.cdf.addJob(lasting(jobId, 'Running'))
  const headersOf = async (sub: string) => ({
    authorization: `Bearer ${await simulator.identityProvider.signCallerToken({ sub })}`,
  })
  const mine = await headersOf('me')
  const getAs = (headers: Record<string, string>, path: string, prefer = '') =>
    request(url + path, { headers: { ...headers, ...(prefer && { prefer }) } })
  const watchers = (count: number) => until(() => app.jobPoller.sizes.watchers === count)

  const stream = await openEvents(t, url + pathOf(...ids.slice(0, 3)), mine)
  const waiting = getAs(mine, `/jobs/${ids[0]}/quality`, 'wait=20')
  await watchers(4)
  const refused = [
    await getAs(mine, pathOf(...ids.slice(0, 1))),
    await getAs(mine, `/jobs/${ids[4]}/quality`, 'wait=20'),
  ]
  for (const answer of refused) {
    assertProblem(t, answer, 429, 'too-many-requests')
    t.equal(answer.headers.get('retry-after'), '5')
    t.match(answer.body, { detail: 'This caller watches too many jobs. At most 4 are allowed.' })
  }
  assertProblem(t, await getAs(await headersOf('you'), pathOf(...ids)), 429, 'too-many-requests')
  t.equal((await getAs(mine, `/jobs/${ids[4]}/quality`)).status, 200, 'a plain read is no watch')

  clock.advance(20_000)
  t.equal((await waiting).status, 200)
  const next = await openEvents(t, url + pathOf(...ids.slice(4)), mine)
  t.equal(next.status, 200, 'the end of a wait frees its job')
  stream.close()
  await watchers(1)
  t.equal((await openEvents(t, url + pathOf(...ids.slice(0, 3)), mine)).status, 200)
})

t.test(
  'frees the jobs of callers that disconnect before their stream or wait begins',
  async (t) => {
    const { url, simulator, app } = await startFakeTimeService(t, {
      AUTH_MODE: 'jwt',
      CALLER_MAX_WATCHED_JOBS: '1',
    })
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
    const requests = holdRequests(simulator)
    const disconnect = new AbortController()
    const headers = [
      { authorization, 'last-event-id': '"other"' },
      { authorization, prefer: 'wait=20' },
    ]
    const leaving = [PATH, `/jobs/${JOB_ID}/quality`].map((path, index) =>
      request(url + path, { headers: headers[index] ?? {}, signal: disconnect.signal }),
    )
    await requests.arrived(1)
    disconnect.abort()
    for (const response of leaving) await t.rejects(response, { name: 'AbortError' })
    requests.releaseAll()
    const stream = await openEvents(t, url + PATH, { authorization })
    t.equal(stream.status, 200)
    await until(() => stream.events.length === 1)
    t.equal(app.jobPoller.sizes.watchers, 1)
  },
)

t.test('ends when the issuer has withdrawn the key of the token', async (t) => {
  const testIssuer = await startTestIssuer(t)
  const { url, simulator, get, advance } = await startFakeTimeService(t, {
    AUTH_MODE: 'jwt',
    AUTH_ISSUER: testIssuer.issuer,
    AUTH_AUDIENCE: AUDIENCE,
  })
  simulator.cdf.addJob(progressing(JOB_ID))
  const openWith = (token: string) =>
    openEvents(t, url + PATH, { authorization: `Bearer ${token}` })
  const { published, attacker, answer, sign } = testIssuer
  const withdrawn = await openWith(await sign())
  const kept = await openWith(await sign({}, { alg: 'ES256', kid: 'ec' }, published.ec?.privateKey))
  await until(() => [withdrawn, kept].every(({ events }) => events.length === 1))

  answer.keys = answer.keys.filter(({ kid }) => kid !== 'rsa')
  // An unknown key causes the next fetch of the JWKS early.
  const unknown = await sign({}, { kid: 'unknown' }, attacker.privateKey)
  t.equal((await get(PATH, { authorization: `Bearer ${unknown}` })).status, 401)
  await until(withdrawn.hasEnded)
  await advance(10_000)
  await until(() => kept.events.length === 2)
  t.notOk(kept.hasEnded())
  t.strictSame(kept.states(), ['Queued', 'Running'])
  t.strictSame(withdrawn.states(), ['Queued'])
})

t.test('ends all streams while draining, and sends one state to new ones', async (t) => {
  const { url, simulator, app, logs } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const streams = await Promise.all([
    openEvents(t, `${url}${PATH}`),
    openEvents(t, `${url}${pathOf(JOB_ID, jobIdOf(1))}`),
  ])
  await until(() => streams.every(({ events }) => events.length > 0))
  app.lifeCycle.drain()
  await until(() => streams.every(({ hasEnded }) => hasEnded()))
  const late = await openEvents(t, `${url}${PATH}`)
  await until(late.hasEnded)
  t.strictSame(late.states(), ['Running'], 'one state for a new stream')
  const startedAt = performance.now()
  await app.close()
  t.ok(performance.now() - startedAt < 5_000, 'no stream keeps its connection open')
  t.equal(logs.filter(({ level }) => Number(level) >= 40).length, 0)
})

t.test('logs each stream once, whichever side ends it', async (t) => {
  const { url, simulator, logs } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Completed', SCORES))
  const done = await openEvents(t, `${url}/jobs/${jobIdOf(1)}/quality/events`)
  await until(done.hasEnded)
  const aborted = await openEvents(t, `${url}${PATH}`)
  await until(() => aborted.events.length === 1)
  aborted.close()
  const lines = () =>
    logs.filter(({ msg }) => msg !== 'CDF request' && msg !== 'access token obtained')
  await until(() => lines().filter(({ msg }) => msg === 'request').length === 2)
  t.strictSame(
    lines()
      .filter(({ route }) => route)
      .map(({ route, jobId, status, level }) => ({ route, jobId, status, level })),
    [jobIdOf(1), JOB_ID].map((jobId) => ({
      route: '/jobs/:jobId/quality/events',
      jobId,
      status: 200,
      level: 30,
    })),
  )
  t.strictSame(
    lines().filter(({ msg }) => /premature|error/i.test(String(msg))),
    [],
  )
})

t.test('answers HEAD without reading CDF', async (t) => {
  const { url, simulator, clock } = await startFakeTimeService(t)
  for (const path of [PATH, pathOf(JOB_ID)]) {
    const head = await request(`${url}${path}`, { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(head.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    t.equal(head.headers.get('cache-control'), 'private, no-cache, no-transform')
    t.equal(head.headers.get('content-length'), null)
  }
  t.equal(simulator.cdf.requests.length, 0)
  t.equal(clock.timers.size, 0)
})

t.test('aborts the read of CDF when the last stream disconnects', async (t) => {
  const { url, simulator } = await startFakeTimeService(t)
  simulator.cdf.faults.standing = 'hang'
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => simulator.cdf.requests.length === 1)
  stream.close()
  await until(() => simulator.cdf.requests[0]?.aborted === true)
  t.equal(simulator.cdf.requests.length, 1)
})
