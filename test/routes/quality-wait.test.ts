import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { progressing, startFakeTimeService } from '../support/fake-time-service.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const WAIT = { prefer: 'wait=20' }

t.test('answers as soon as the job is done', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  const waiting = quality(JOB_ID, { prefer: 'wait=25' })
  await until(() => clock.timers.size === 2)
  await advance(10_000)
  t.equal(simulator.cdf.requests.length, 2)
  await advance(10_000)
  await advance(2_000)
  const { status, headers, body } = await waiting
  t.equal(status, 200)
  t.match(body, { status: 'Completed' })
  t.equal(headers.get('preference-applied'), 'wait=25')
  t.equal(headers.get('cache-status'), 'cdf-job-quality; hit', 'the poller has read the job')
  t.equal(headers.get('age'), '0')
  t.equal(headers.get('retry-after'), null)
})

t.test('answers as soon as the entity tag differs from If-None-Match', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  const etag = (await quality()).headers.get('etag') ?? ''
  const other = await quality(JOB_ID, { ...WAIT, 'if-none-match': '"other"' })
  t.match(other.body, { status: 'Queued' }, 'without a wait')
  const compressed = etag.replace(/"$/, '-gzip"')
  const waiting = [etag, `W/${etag}`, `"other", ${etag}`, compressed].map((known) =>
    quality(JOB_ID, { ...WAIT, 'if-none-match': known }),
  )
  await until(() => clock.timers.size === 5)
  await advance(10_000)
  for (const { status, headers, body } of await Promise.all(waiting)) {
    t.equal(status, 200)
    t.match(body, { status: 'Running' })
    t.not(headers.get('etag'), etag)
    t.equal(headers.get('preference-applied'), 'wait=20')
    t.equal(headers.get('retry-after'), '2')
  }
  t.equal(simulator.cdf.requests.length, 2)
})

t.test('answers with the current state when the wait ends', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const etag = (await quality()).headers.get('etag') ?? ''
  const unchanged = quality(JOB_ID, { prefer: 'wait=3', 'if-none-match': etag })
  const notDone = quality(JOB_ID, { prefer: 'wait=3' })
  await until(() => clock.timers.size === 3)
  await advance(2_999)
  t.equal(simulator.cdf.requests.length, 2)
  await advance(1)
  const { status, headers, text } = await unchanged
  t.equal(status, 304)
  t.equal(text, '')
  t.equal(headers.get('preference-applied'), 'wait=3')
  t.equal(headers.get('etag'), etag)
  t.equal(headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal((await notDone).status, 200)
  t.match((await notDone).body, { status: 'Running' })
})

t.test('does not wait for a done job or a permanent problem', async (t) => {
  const { simulator, quality, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const done = await quality(JOB_ID, WAIT)
  t.equal(done.status, 200)
  const etag = done.headers.get('etag') ?? ''
  const known = await quality(JOB_ID, { ...WAIT, 'if-none-match': etag })
  t.equal(known.status, 304)
  t.equal(known.headers.get('preference-applied'), 'wait=20')
  assertProblem(t, await quality('7', WAIT), 404, 'job-not-found')
  assertProblem(t, await quality('0012', WAIT), 400, 'invalid-job-id')
  t.equal(clock.timers.size, 0)
})

t.test('limits the wait to 25 seconds, and ignores other preferences', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const waiting = quality(JOB_ID, { prefer: 'respond-async, wait=600' })
  await until(() => clock.timers.size === 2)
  await advance(24_999)
  await advance(1)
  t.equal((await waiting).headers.get('preference-applied'), 'wait=25')
  for (const prefer of ['wait=0', 'wait=soon', 'return=minimal']) {
    const { status, headers } = await quality(JOB_ID, { prefer })
    t.equal(status, 200)
    t.equal(headers.get('preference-applied'), null, prefer)
  }
})

t.test('keeps waiting after a transient failure, and answers after a permanent one', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t, {
    JOB_STALE_IF_ERROR_SECONDS: '0',
  })
  simulator.cdf.addJob(progressing(JOB_ID))
  simulator.cdf.faults.next({ status: 500 })
  assertProblem(t, await quality(JOB_ID, WAIT), 502, 'upstream-error')
  const waiting = quality(JOB_ID, WAIT)
  await until(() => clock.timers.size === 2)
  simulator.cdf.faults.next({ status: 500 })
  await advance(1_000)
  simulator.cdf.faults.next({ status: 403 })
  await advance(2_000)
  assertProblem(t, await waiting, 502, 'upstream-forbidden')
})

t.test('sends the age of the last read', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const waiting = quality(JOB_ID, { prefer: 'wait=10' })
  await until(() => clock.timers.size === 2)
  for (let second = 0; second < 10; second += 1) await advance(1_000)
  const { headers } = await waiting
  t.equal(headers.get('cache-status'), 'cdf-job-quality; hit')
  t.match(headers.get('age'), /^[01]$/)
})

t.test('marks the response as stale if CDF fails during the wait', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  await quality()
  await advance(2_000)
  simulator.cdf.faults.standing = { status: 500 }
  const waiting = quality(JOB_ID, { prefer: 'wait=4' })
  await until(() => clock.timers.size === 2)
  t.equal(simulator.cdf.requests.length, 2, 'reads CDF at the start of the wait')
  for (let second = 0; second < 4; second += 1) await advance(1_000)
  const { status, headers } = await waiting
  t.equal(status, 200)
  t.equal(headers.get('cache-status'), 'cdf-job-quality; fwd=stale; detail=stale-if-error')
  t.equal(headers.get('age'), '6')
})

t.test('ends the wait in time while a read of CDF hangs, if a state is cached', async (t) => {
  const { simulator, quality, advance, clock } = await startFakeTimeService(t, {
    UPSTREAM_ATTEMPT_TIMEOUT_MS: '2000',
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const etag = (await quality()).headers.get('etag') ?? ''
  await advance(2_000)
  simulator.cdf.faults.standing = 'hang'
  const waiting = quality(JOB_ID, { prefer: 'wait=1', 'if-none-match': etag })
  await until(() => simulator.cdf.requests.length === 2)
  clock.advance(1_000)
  await until(() => clock.timers.size > 0)
  clock.advance(1)
  const { status, headers } = await waiting
  t.equal(status, 304)
  t.equal(headers.get('age'), '3')
  await until(() => simulator.cdf.requests[1]?.aborted === true)
})

t.test(
  'shares one poll of CDF among all waits, and stops it when all callers have disconnected',
  async (t) => {
    const { url, simulator, advance, clock } = await startFakeTimeService(t)
    simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
    const disconnect = new AbortController()
    const waiting = Array.from({ length: 50 }, () =>
      request(`${url}/jobs/${JOB_ID}/quality`, { headers: WAIT, signal: disconnect.signal }),
    )
    const ended = Promise.allSettled(waiting)
    await until(() => clock.timers.size === 51)
    await advance(1_000)
    await advance(1_000)
    t.equal(simulator.cdf.requests.length, 3)
    disconnect.abort()
    await ended
    await until(() => clock.timers.size === 0)
    await advance(10_000)
    t.equal(simulator.cdf.requests.length, 3)
  },
)

t.test('ends all waits immediately while draining', async (t) => {
  const { simulator, quality, app, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const waiting = quality(JOB_ID, WAIT)
  await until(() => clock.timers.size === 2)
  app.lifeCycle.drain()
  const { status, headers } = await waiting
  t.equal(status, 200)
  t.equal(headers.get('connection'), 'close')
  t.equal((await quality(JOB_ID, WAIT)).status, 200)
  t.equal(clock.timers.size, 0)
})

t.test('waits for HEAD, too', async (t) => {
  const { url, simulator, advance, clock } = await startFakeTimeService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const waiting = request(`${url}/jobs/${JOB_ID}/quality`, { method: 'HEAD', headers: WAIT })
  await until(() => clock.timers.size === 2)
  await advance(20_000)
  t.equal((await waiting).headers.get('preference-applied'), 'wait=20')
})

t.test('waits with the real clock', async (t) => {
  const { simulator, quality } = await startService(t)
  simulator.cdf.addJob({
    ...lasting(JOB_ID, 'Running'),
    steps: [
      { afterMs: 0, status: 'Running' },
      { afterMs: 300, status: 'Failed', with: { errorMessage: 'no' } },
    ],
  })
  const { body } = await quality(JOB_ID, WAIT)
  t.match(body, { status: 'Failed', errorMessage: 'no' })
  t.equal(simulator.cdf.requests.length, 2)
})
