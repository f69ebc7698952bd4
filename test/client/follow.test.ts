import type { ServerResponse } from 'node:http'
import type { Test } from 'tap'
import t from 'tap'
import { type FollowOptions, isFinal, type JobUpdate } from '../../client/src/index.ts'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { progressing } from '../support/fake-time-service.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startServer } from '../support/local-server.ts'
import { recordingClient, startClient } from '../support/start-client.ts'
import { until } from '../support/wait.ts'

/** Collects the updates of an iterator until it ends. */
function collect(updates: AsyncIterable<JobUpdate>) {
  const received: JobUpdate[] = []
  const read = async () => {
    for await (const update of updates) received.push(update)
  }
  const ended = read()
  // A test that expects the error awaits `ended`.
  ended.catch(() => {})
  return {
    received,
    ended,
    /** The status of each update, or the code of its problem. */
    states: () => received.map(({ quality, problem }) => quality?.status ?? problem?.code),
  }
}

/** Starts a server that sends one of these texts as a stream to each request, and a client of it. */
async function startStreams(t: Test, texts: (string | ((response: ServerResponse) => void))[]) {
  const url = await startServer(t, (_request, response) => {
    const next = texts.shift() ?? ''
    if (typeof next === 'function') return next(response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(next)
  })
  const clock = new FakeClock()
  const retries: [string, number][] = []
  const options: FollowOptions = {
    onRetry: ({ message }, delayMs) => {
      retries.push([message, delayMs])
      setImmediate(() => clock.advance(delayMs))
    },
  }
  return { ...recordingClient({ baseUrl: url }, clock), clock, retries, options }
}

const statusEvent = (jobId: string, status: string, done = false) =>
  `event: status\ndata: {"jobId":"${jobId}","status":"${status}","done":${done}}\nid: "${status}"\n\n`

t.test('follows jobs over one stream until the state of each one is final', async (t) => {
  const { client, requests, simulator, advance } = await startClient(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  simulator.cdf.addJob(lasting('7', 'Completed', SCORES))
  let opened = 0
  const onOpen = () => {
    opened += 1
  }
  const unknown = jobIdOf(404)
  const ids = [JOB_ID.toUpperCase(), '7', JOB_ID, unknown]
  const { received, ended, states } = collect(client.follow(ids, { onOpen }))
  await until(() => received.length === 3)
  await advance(10_000)
  await until(() => received.length === 4)
  await advance(10_000)
  await ended
  t.strictSame(
    received.filter(({ jobId }) => jobId === JOB_ID).map(({ quality }) => quality?.status),
    ['Queued', 'Running', 'Completed'],
  )
  t.match(
    received.filter(isFinal).map(({ jobId }) => jobId),
    new Set(['7', unknown, JOB_ID]),
  )
  t.match(
    received.find(({ jobId }) => jobId === unknown),
    { quality: null, problem: { code: 'job-not-found' } },
  )
  t.equal(states().length, 5)
  t.equal(requests.length, 1)
  t.equal(opened, 1)
})

t.test('follows more than 100 jobs over several streams', async (t) => {
  const { client, requests, simulator } = await startClient(t)
  const ids = Array.from({ length: 201 }, (_, number) => jobIdOf(number))
  for (const id of ids) simulator.cdf.addJob(lasting(id, 'Completed', SCORES))
  const { received, ended } = collect(client.follow(ids))
  await ended
  t.strictSame(received.map(({ jobId }) => jobId).sort(), ids)
  t.strictSame(
    requests.map(({ url }) => url.searchParams.getAll('jobId').length),
    [100, 100, 1],
  )
  await collect(client.follow([])).ended
  t.equal(requests.length, 3)
})

t.test('reconnects with Last-Event-ID, and does not repeat a state', async (t) => {
  const { client, requests, simulator, app, clock, advance } = await startClient(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  simulator.cdf.addJob(lasting('7', 'Failed'))
  const delays: number[] = []
  const onRetry = (_error: Error, delayMs: number) => delays.push(delayMs)
  const { received, ended, states } = collect(client.follow([JOB_ID, '7'], { onRetry }))
  await until(() => received.length === 2)
  app.server.closeAllConnections()
  await until(() => delays.length === 1)
  clock.advance(2_000)
  await until(() => app.jobPoller.sizes.watchers === 1)
  await advance(10_000)
  await until(() => received.length === 3)
  await advance(10_000)
  await ended
  t.strictSame(states().sort(), ['Completed', 'Failed', 'Queued', 'Running'])
  t.strictSame(delays, [2_000], 'the delay of the stream')
  t.equal(requests.length, 2)
  t.equal(requests[0]?.headers.get('last-event-id'), null)
  t.match(requests[1]?.headers.get('last-event-id'), /^"[\w-]+"$/)
})

t.test('gives the problem of an invalid job id, also of a long one', async (t) => {
  const long = 'X'.repeat(100)
  const problems = ['nonsense', long.slice(0, 64).toLowerCase()].map(
    (jobId) => `event: problem\ndata: {"jobId":"${jobId}","code":"invalid-job-id"}\n\n`,
  )
  const { client, requests } = await startStreams(t, [problems.join('')])
  const { received, ended, states } = collect(client.follow(['nonsense', long]))
  await ended
  t.strictSame(states(), ['invalid-job-id', 'invalid-job-id'])
  t.strictSame(
    requests[0]?.url.searchParams.getAll('jobId'),
    received.map(({ jobId }) => jobId),
  )
})

t.test('ends if the service has sent everything before', async (t) => {
  const { client, requests, options } = await startStreams(t, [
    statusEvent('7', 'Running'),
    (response) => response.writeHead(204).end(),
  ])
  const { ended, states } = collect(client.follow(['7'], options))
  await ended
  t.strictSame(states(), ['Running'])
  t.equal(requests[1]?.headers.get('last-event-id'), '"Running"')
})

t.test('reconnects more and more slowly while no event arrives', async (t) => {
  const problem = '{"code":"overloaded","detail":"","retryAfterSeconds":50}'
  const { client, retries, options } = await startStreams(t, [
    '',
    ': keep-alive\n',
    (response) => response.destroy(),
    ...Array(3).fill((response: ServerResponse) => response.writeHead(502).end('<html>')),
    (response) => response.writeHead(503).end(problem),
    `retry: 4000\n${statusEvent('7', 'Queued')}event: status\ndata: {"jobId"`,
    '',
    'retry: 0\n\n',
    '',
    statusEvent('7', 'Completed', true),
  ])
  const { ended, states } = collect(client.follow(['7'], options))
  await ended
  t.strictSame(retries, [
    ['The stream has ended early', 1_000],
    ['The stream has ended early', 2_000],
    ['No response', 4_000],
    ['Unexpected response with status 502', 8_000],
    ['Unexpected response with status 502', 16_000],
    ['Unexpected response with status 502', 30_000],
    ['', 50_000],
    ['The stream has ended early', 4_000],
    ['The stream has ended early', 8_000],
    ['The stream has ended early', 4_000],
    ['The stream has ended early', 8_000],
  ])
  t.strictSame(states(), ['Queued', 'Completed'])
})

t.test('reconnects when nothing has arrived for 45 seconds', async (t) => {
  const { client, clock, requests, options, retries } = await startStreams(t, [
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(statusEvent('7', 'Running'))
    },
    statusEvent('7', 'Completed', true),
  ])
  const { received, ended } = collect(client.follow(['7'], options))
  await until(() => received.length === 1)
  clock.advance(44_999)
  t.equal(requests.length, 1)
  clock.advance(1)
  await ended
  t.equal(retries[0]?.[0], 'No response for 45 s')
})

t.test('ends when all states are final, even if the server does not end the stream', async (t) => {
  const { client, requests, options } = await startStreams(t, [
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(statusEvent('7', 'Completed', true))
      setImmediate(() => response.write(': keep-alive\n'))
    },
  ])
  const { ended, states } = collect(client.follow(['7'], options))
  await ended
  t.strictSame(states(), ['Completed'])
  t.equal(requests.length, 1)
})

t.test('ends without a retry if the connection is lost after the last event', async (t) => {
  const { client, requests, retries, options } = await startStreams(t, [
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(statusEvent('7', 'Completed', true), () =>
        setImmediate(() => response.destroy()),
      )
    },
  ])
  const { ended, states } = collect(client.follow(['7'], options))
  await ended
  t.strictSame(states(), ['Completed'])
  t.equal(requests.length, 1)
  t.strictSame(retries, [])
})

t.test('ends with a permanent problem of the stream', async (t) => {
  const { client, requests } = await startClient(t, { AUTH_MODE: 'jwt' }, { token: 'invalid' })
  await t.rejects(collect(client.follow([JOB_ID])).ended, { code: 'unauthenticated' })
  t.equal(requests.length, 1)
  const { client: misled } = await startStreams(t, [
    (response) => response.setHeader('content-type', 'text/html').end('<html>'),
    'event: status\ndata: {\n\n',
    'event: status\ndata: null\n\n',
    'event: status\ndata: 5\n\n',
    (response) => response.writeHead(204).end(),
  ])
  for (const _ of [
    'a page',
    'no JSON',
    'null',
    'no job',
    'nothing, although no event was received',
  ])
    await t.rejects(collect(misled.follow(['7'])).ended, { code: 'unexpected-response' })
})

t.test('a transient problem of a job is an update, a permanent one is its last', async (t) => {
  const problemEvent = (code: string, requestId: string, retry = '') =>
    `event: problem\ndata: {"jobId":"7","code":"${code}","requestId":"${requestId}"${retry}}\n\n`
  const transient = ',"retryAfterSeconds":2'
  const { client, options } = await startStreams(t, [
    problemEvent('upstream-error', 'first', transient),
    problemEvent('upstream-error', 'second', transient) +
      statusEvent('8', 'Running') +
      problemEvent('upstream-forbidden', 'third') +
      statusEvent('7', 'Running') +
      statusEvent('8', 'Completed', true),
  ])
  const { received, ended, states } = collect(client.follow(['7', '8'], options))
  await ended
  t.equal(received[0]?.problem?.requestId, 'first')
  t.notOk(received[0]?.problem && 'jobId' in received[0].problem)
  t.strictSame(
    received.map(({ jobId }) => jobId),
    ['7', '8', '7', '8'],
  )
  t.strictSame(states(), ['upstream-error', 'Running', 'upstream-forbidden', 'Completed'])
})

t.test('ignores unknown events and other jobs, and passes on unknown statuses', async (t) => {
  const { client, options } = await startStreams(t, [
    'event: shutdown\ndata: soon\n\ndata: text\n\n' +
      statusEvent('8', 'Running') +
      statusEvent('7', 'Paused') +
      statusEvent('7', 'Completed', true),
  ])
  const { ended, states } = collect(client.follow(['7'], options))
  await ended
  t.strictSame(states(), ['Paused', 'Completed'])
})

t.test('delivers what a stream has sent; far behind, the latest state of each job', async (t) => {
  const queued = ['7', '8'].map((jobId) => statusEvent(jobId, 'Queued')).join('')
  const states = Array.from({ length: 100 }, (_, number) => statusEvent('7', `State${number}`))
  const completed = ['7', '8'].map((jobId) => statusEvent(jobId, 'Completed', true)).join('')
  const { client, options } = await startStreams(t, [queued + completed, queued + states.join('')])
  const { ended, states: all } = collect(client.follow(['7', '8']))
  await ended
  t.strictSame(all(), ['Queued', 'Queued', 'Completed', 'Completed'])

  const received: string[] = []
  for await (const { jobId, quality } of client.follow(['7', '8'], options)) {
    received.push(`${jobId} ${quality?.status}`)
    if (received.at(-1) === '7 State99') break
  }
  t.ok(received.length <= 20, `${received.length} of 102`)
  t.ok(received.includes('8 Queued'))
})

t.test('disconnects when the consumer stops, and when the signal aborts', async (t) => {
  const { client, simulator, app, clock } = await startClient(t)
  const ids = Array.from({ length: 101 }, (_, number) => jobIdOf(number))
  for (const id of ids) simulator.cdf.addJob(lasting(id, 'Running'))
  const streams = (count: number) => until(() => app.watchLimit.streams === count)
  for await (const _ of client.follow(ids)) {
    await streams(2)
    break
  }
  await streams(0)

  const controller = new AbortController()
  const { received, ended } = collect(client.follow(ids, controller))
  await until(() => received.length === 101)
  controller.abort()
  await t.rejects(ended, controller.signal.reason)
  await streams(0)
  await until(() => clock.timers.size === 0)
  await t.rejects(collect(client.follow(ids, controller)).ended, controller.signal.reason)

  const beforeRetry = new AbortController()
  app.lifeCycle.drain()
  const onRetry = () => setImmediate(() => beforeRetry.abort())
  const waiting = collect(client.follow(ids, { signal: beforeRetry.signal, onRetry }))
  await t.rejects(waiting.ended, beforeRetry.signal.reason)
  await until(() => clock.timers.size === 0)
})
