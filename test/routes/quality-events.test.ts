import { connect } from 'node:net'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/simulated-job.ts'
import type { JobId } from '../../src/cdf/job-id.ts'
import { toJobAnswer } from '../../src/jobs/job-answer.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { openEvents } from '../event-stream.ts'
import { assertProblem, JOB_ID, jobIdOf, request, until } from '../helper.ts'
import { passing, startMovingService } from '../moving-service.ts'

const PATH = `/jobs/${JOB_ID}/quality/events`
const pathOf = (...jobIds: string[]) =>
  `/jobs/quality/events?${jobIds.map((jobId) => `jobId=${jobId}`).join('&')}`

t.test('streams what becomes of a job until it is done', async (t) => {
  const { url, simulator, quality, pass } = await startMovingService(t)
  simulator.cdf.addJob(passing(JOB_ID))
  const stream = await openEvents(t, `${url}${PATH}`)
  t.equal(stream.status, 200)
  t.equal(stream.headers.get('content-type'), 'text/event-stream')
  t.equal(stream.headers.get('x-accel-buffering'), 'no')
  t.equal(stream.headers.get('cache-control'), 'private, no-cache')
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
  await pass(10_000)
  await until(() => stream.events.length === 2)
  await pass(10_000)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Queued', 'Running', 'Completed'])
  const last = await quality()
  t.equal(last.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(stream.events[2]?.id, last.headers.get('etag'))
  t.equal(stream.events[2]?.data, last.text)
})

t.test('ends at once for a job that is done', async (t) => {
  const { url, simulator } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Failed', { errorMessage: 'line\nbreaks\rand more' }))
  for (const _ of ['from CDF', 'from the cache']) {
    const stream = await openEvents(t, `${url}${PATH}`)
    await until(stream.hasEnded)
    t.strictSame(stream.states(), ['Failed'])
  }
  t.equal(simulator.cdf.requests.length, 1)
})

t.test('tells an EventSource that knows the end to stop', async (t) => {
  const { url, simulator, quality, get } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Running'))
  const etag = (await quality()).headers.get('etag') ?? ''
  const stop = await get(PATH, { 'last-event-id': etag })
  t.equal(stop.status, 204)
  t.equal(stop.text, '')
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
  t.strictSame(stream.states(), ['Running'], 'the state of a job that goes on is told again')
})

t.test('tells of a job that is not there, once, and then to stop', async (t) => {
  const { url, get } = await startMovingService(t)
  const stream = await openEvents(t, `${url}${PATH}`, { 'x-request-id': 'mine' })
  await until(stream.hasEnded)
  t.equal(stream.events[0]?.event, 'problem')
  t.match(JSON.parse(stream.events[0]?.data ?? ''), {
    type: '/problems/job-not-found',
    status: 404,
    code: 'job-not-found',
    requestId: 'mine',
    jobId: JOB_ID,
  })
  const again = await get(PATH, { 'last-event-id': stream.events[0]?.id ?? '' })
  t.equal(again.status, 204)
})

t.test('tells of a failure that passes, and of its passing', async (t) => {
  const { url, simulator, pass } = await startMovingService(t, { JOB_STALE_IF_ERROR_SECONDS: '0' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.next({ status: 429 })
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => stream.events.length === 1)
  await pass(2_000)
  await until(() => stream.events.length === 2)
  simulator.cdf.faults.standing = { status: 500 }
  await pass(4_000)
  simulator.cdf.faults.clear()
  await pass(60_000)
  await until(() => stream.events.length === 4)
  t.strictSame(stream.states(), ['upstream-throttled', 'Running', 'upstream-error', 'Running'])
  t.equal(stream.events[0]?.id, undefined, 'what passes is no state to come back with')
  t.notOk(stream.hasEnded())
})

t.test('says nothing of a failure while the last answer serves', async (t) => {
  const { url, simulator, pass } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => stream.events.length === 1)
  simulator.cdf.faults.standing = { status: 500 }
  await pass(10_000)
  t.strictSame(stream.states(), ['Running'])
})

t.test('streams several jobs, in any state, until all of them are over', async (t) => {
  const { url, simulator, get, pass } = await startMovingService(t)
  const [done, going, unknown] = [jobIdOf(1), jobIdOf(2), jobIdOf(3)]
  simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
  simulator.cdf.addJob(passing(going))
  const path = pathOf(done, going, unknown, done.toUpperCase())
  const stream = await openEvents(t, `${url}${path}`)
  await until(() => stream.events.length === 3)
  await pass(10_000)
  await until(() => stream.events.length === 4)
  await pass(10_000)
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
      [going]: ['Queued', 'Running', 'Completed'],
      [unknown]: ['job-not-found'],
    },
  )
  t.equal(simulator.cdf.readsOf(done), 1)

  const ids = stream.text().match(/(?<=^id: ).*$/gm) ?? []
  const stop = await get(path, { 'last-event-id': ids.at(-1) ?? '' })
  t.equal(stop.status, 204, 'the last id stands for all of them')
  const more = await openEvents(t, `${url}${path}`, { 'last-event-id': ids[1] ?? '' })
  await until(more.hasEnded)
  t.equal(more.events.length, 3, 'who has not heard of all of them is told')
  const [first] = stream.events
  const one = await openEvents(t, `${url}${path}`, { 'last-event-id': first?.id ?? '' })
  await until(one.hasEnded)
  t.equal(one.events.length, 3, 'who has heard of one of them is, too')
})

t.test('has one reader at CDF for all who stream, wait or ask', async (t) => {
  const { url, simulator, quality, pass, clock } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const streams = await Promise.all([
    ...Array.from({ length: 30 }, () => openEvents(t, `${url}${PATH}`)),
    ...Array.from({ length: 30 }, () => openEvents(t, `${url}${pathOf(JOB_ID, jobIdOf(1))}`)),
  ])
  await until(() => streams.every(({ events }) => events.length > 0))
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  for (let second = 1; second <= 5; second += 1) {
    await pass(1_000)
    await quality()
    t.equal(simulator.cdf.readsOf(JOB_ID), 1 + second)
  }
  for (const { leave } of streams) leave()
  await until(() => clock.timers.size === 0)
  const before = simulator.cdf.requests.length
  await pass(60_000)
  t.equal(simulator.cdf.requests.length, before, 'nobody asks for those who have left')
})

t.test('sends a comment line every 15 seconds', async (t) => {
  const { url, simulator, clock } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => stream.events.length === 1)
  clock.advance(15_000)
  await until(() => stream.comments.length === 1)
  clock.advance(30_000)
  await until(() => stream.comments.length === 3)
  t.strictSame(stream.states(), ['Running'])
})

t.test('ends with the token of its caller', async (t) => {
  const { url, simulator, clock } = await startMovingService(t, { AUTH_MODE: 'jwt' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const exp = Math.floor(Date.now() / 1000) + 120
  const token = await simulator.identityProvider.signCallerToken({ exp })
  const stream = await openEvents(t, `${url}${PATH}`, { authorization: `Bearer ${token}` })
  await until(() => stream.events.length === 1)
  clock.advance(110_000)
  await until(() => stream.comments.length > 0)
  t.notOk(stream.hasEnded())
  clock.advance(10_000)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Running'])
})

t.test('tells one state even to a token that ends at once', async (t) => {
  const { url, simulator, clock } = await startMovingService(t, { AUTH_MODE: 'jwt' })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  // The door takes the clocks of others to be a little wrong.
  const exp = Math.floor(Date.now() / 1000) - 10
  const token = await simulator.identityProvider.signCallerToken({ exp })
  const stream = await openEvents(t, `${url}${PATH}`, { authorization: `Bearer ${token}` })
  await until(() => stream.events.length === 1)
  clock.advance(0)
  await until(stream.hasEnded)
  t.strictSame(stream.states(), ['Running'])
})

t.test('does not let a slow job hold up the others when somebody comes back', async (t) => {
  const { url, app, simulator, quality, clock } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.faults.next('hang')
  const waiting = quality('1')
  await until(() => simulator.cdf.readsOf('1') === 1)
  const opening = openEvents(t, `${url}${pathOf('1', JOB_ID)}`, { 'last-event-id': '"other"' })
  await until(() => app.jobQuality.latest(JOB_ID as JobId) !== undefined)
  clock.advance(1_000)
  const stream = await opening
  await until(() => stream.events.length === 1)
  t.strictSame(stream.states(), ['Running'])
  t.equal(simulator.cdf.readsOf('1'), 1, 'the slow one is not asked for twice')
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  await waiting
})

t.test('is behind the door, and takes no bad id', async (t) => {
  const { get, simulator } = await startMovingService(t, { AUTH_MODE: 'jwt' })
  for (const path of [PATH, pathOf(JOB_ID)]) {
    assertProblem(t, await get(path), 401, 'unauthenticated')
  }
  const authorization = `Bearer ${await simulator.identityProvider.signCallerToken()}`
  const bad = await get('/jobs/0012/quality/events', { authorization })
  assertProblem(t, bad, 400, 'invalid-job-id')
  assertProblem(t, await get(pathOf(), { authorization }), 400, 'invalid-request')
  t.equal(simulator.cdf.requests.length, 0)
})

t.test('lets one caller hold so many streams and no more', async (t) => {
  const { url, simulator } = await startMovingService(t, {
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
  t.match((refused.body as { detail: string }).detail, /too many streams/)
  t.equal((await openEvents(t, `${url}${PATH}`, await headersOf('you'))).status, 200)
  t.equal((await request(`${url}/jobs/${JOB_ID}/quality`, { headers: mine })).status, 200)
  first.leave()
  let again = 0
  while (again !== 200) again = (await openEvents(t, `${url}${PATH}`, mine)).status
  t.pass('and another one as soon as one of them has ended')
})

t.test('keeps the newest state for who reads slowly, not a queue of all', async (t) => {
  const { url, port, simulator, app } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const { body } = await request(`${url}/jobs/${JOB_ID}/quality`)
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until(() => app.jobWatches.sizes.watchers === 1)
  const STATES = 20_000
  for (let number = 1; number <= STATES; number += 1) {
    const quality = { ...(body as JobQuality), errorMessage: `${number} ${'x'.repeat(1_000)}` }
    const answer = toJobAnswer({ ...quality, done: number === STATES }, 0, 0, 1_000)
    app.jobQuality.onRead(JOB_ID as JobId, { answer, outcome: 'stale', collapsed: false })
    if (number % 100 === 0) await new Promise(setImmediate)
  }
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  socket.resume()
  await new Promise((resolve) => socket.once('close', resolve))
  const numbers = [...text.matchAll(/"errorMessage":"(\d+) /g)].map(([, number]) => Number(number))
  t.ok(numbers.length < STATES / 2, `${numbers.length} of ${STATES} states`)
  t.equal(numbers.at(-1), STATES, 'the last one is never lost')
  t.strictSame(
    numbers,
    numbers.toSorted((a, b) => a - b),
  )
})

t.test('ends normally while draining', async (t) => {
  const { url, simulator, app, logs } = await startMovingService(t)
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
  t.strictSame(late.states(), ['Running'], 'who comes late is told the state')
  const startedAt = performance.now()
  await app.close()
  t.ok(performance.now() - startedAt < 5_000, 'no stream holds its connection open')
  t.equal(logs.filter(({ level }) => Number(level) >= 40).length, 0)
})

t.test('logs a stream once, whoever ends it', async (t) => {
  const { url, simulator, logs } = await startMovingService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  simulator.cdf.addJob(lasting(jobIdOf(1), 'Completed', SCORES))
  const done = await openEvents(t, `${url}/jobs/${jobIdOf(1)}/quality/events`)
  await until(done.hasEnded)
  const left = await openEvents(t, `${url}${PATH}`)
  await until(() => left.events.length === 1)
  left.leave()
  const lines = () => logs.filter(({ msg }) => msg !== 'CDF call' && msg !== 'new access token')
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

t.test('answers HEAD without watching anything', async (t) => {
  const { url, simulator, clock } = await startMovingService(t)
  for (const path of [PATH, pathOf(JOB_ID)]) {
    const head = await request(`${url}${path}`, { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(head.headers.get('content-type'), 'text/event-stream')
    t.equal(head.headers.get('content-length'), null)
  }
  t.equal(simulator.cdf.requests.length, 0)
  t.equal(clock.timers.size, 0)
})

t.test('ends the read at CDF when the last stream leaves', async (t) => {
  const { url, simulator } = await startMovingService(t)
  simulator.cdf.faults.standing = 'hang'
  const stream = await openEvents(t, `${url}${PATH}`)
  await until(() => simulator.cdf.requests.length === 1)
  stream.leave()
  await until(() => simulator.cdf.requests[0]?.aborted === true)
  t.pass()
})
