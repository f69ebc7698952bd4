import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { progressing, startFakeTimeService } from '../support/fake-time-service.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { startServer } from '../support/local-server.ts'
import { recordingClient, startClient } from '../support/start-client.ts'
import { until } from '../support/wait.ts'

t.test('shows each state of the job, and returns the last one', async (t) => {
  const { client, requests, simulator, app, advance } = await startClient(t)
  simulator.cdf.addJob(progressing(JOB_ID))
  const shown: string[] = []
  const waiting = client.waitUntilDone(JOB_ID, { onChange: ({ status }) => shown.push(status) })
  const isHeld = (states: number) =>
    until(() => shown.length === states && app.jobPoller.sizes.watchers === 1)
  await isHeld(1)
  await advance(10_000)
  await isHeld(2)
  await advance(10_000)
  t.match(await waiting, { status: 'Completed', scores: { qualityPercent: 87.5 } })
  t.strictSame(shown, ['Queued', 'Running', 'Completed'])
  t.strictSame(
    requests.map(({ headers, status }) => [headers.get('prefer'), status]),
    [
      [null, 200],
      ['wait=25', 200],
      ['wait=25', 200],
    ],
  )
  t.ok(requests[1]?.headers.has('if-none-match'))
})

t.test('waits again immediately when nothing has changed for 25 seconds', async (t) => {
  const { client, requests, simulator, app, clock, advance } = await startClient(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const shown: string[] = []
  const controller = new AbortController()
  const { signal } = controller
  const waiting = client.waitUntilDone(JOB_ID, {
    signal,
    onChange: (job) => shown.push(job.status),
  })
  waiting.catch(() => {})
  for (const held of [2, 3]) {
    await until(() => requests.length === held && app.jobPoller.sizes.watchers === 1)
    await advance(25_000)
  }
  await until(() => requests.length === 4)
  t.strictSame(
    requests.slice(0, 3).map(({ status }) => status),
    [200, 304, 304],
  )
  t.strictSame(shown, ['Running'])
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
  await until(() => clock.timers.size === 0)
})

t.test('sends a request every 1 to 3 seconds to an instance that is draining', async (t) => {
  const { client, requests, simulator, app, clock } = await startClient(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  app.lifeCycle.drain()
  const controller = new AbortController()
  client.waitUntilDone(JOB_ID, controller).catch(() => {})
  for (const sent of [2, 3, 4]) {
    await until(() => requests.length === sent && requests[sent - 1]?.status === 304)
    await until(() => clock.timers.size === 1)
    clock.advance(999)
    t.equal(clock.timers.size, 1, 'at least one second')
    clock.advance(2_001)
  }
  controller.abort()
})

t.test('sends a request each second to replicas that disagree', async (t) => {
  const states = ['Queued', 'Running']
  const url = await startServer(t, (_request, response) => {
    const state = states.reverse()[0]
    response.writeHead(200, { etag: `"${state}"`, 'retry-after': '2' })
    response.end(`{"status":"${state}","done":false}`)
  })
  const clock = new FakeClock()
  const { client, requests } = recordingClient({ baseUrl: url }, clock)
  const controller = new AbortController()
  const { signal } = controller
  let shown = 0
  const onChange = () => {
    shown += 1
  }
  client.waitUntilDone(JOB_ID, { signal, onChange }).catch(() => {})
  for (const sent of [2, 3, 4]) {
    await until(() => shown === sent && clock.timers.size === 1)
    t.equal(requests.length, sent)
    clock.advance(1_000)
  }
  controller.abort()
})

t.test('retries transient problems after Retry-After, and slower each time', async (t) => {
  const responses: [number, Record<string, string>, string][] = [
    [200, { etag: '"a"' }, '{"status":"Running","done":false}'],
    [502, {}, '<html>'],
    [502, {}, '<html>'],
    [502, {}, '<html>'],
    [503, { 'retry-after': '9' }, '{"code":"overloaded","detail":"","retryAfterSeconds":9}'],
    [200, { etag: '"a"' }, '{"status":"Running","done":false}'],
    [502, {}, '<html>'],
    [200, { etag: '"b"' }, '{"status":"Failed","done":true}'],
  ]
  const url = await startServer(t, (_request, response) => {
    const [status, headers, body] = responses.shift() ?? [500, {}, '']
    response.writeHead(status, headers).end(body)
  })
  const clock = new FakeClock()
  const { client, requests } = recordingClient({ baseUrl: url }, clock)
  const shown: string[] = []
  const retries: [string, number][] = []
  const waiting = client.waitUntilDone(JOB_ID, {
    onChange: ({ status }) => shown.push(status),
    onRetry: ({ code }, delayMs) => {
      retries.push([code, delayMs])
      setImmediate(() => clock.advance(delayMs))
    },
  })
  t.match(await waiting, { status: 'Failed' })
  t.strictSame(retries, [
    ['unexpected-response', 1_000],
    ['unexpected-response', 2_000],
    ['unexpected-response', 4_000],
    ['overloaded', 9_000],
    ['unexpected-response', 1_000],
  ])
  t.strictSame(shown, ['Running', 'Failed'])
  t.strictSame(
    requests.map(({ headers }) => headers.get('prefer')),
    [null, 'wait=25', null, null, null, null, 'wait=25', null],
    'reads without a wait after a failure',
  )
})

t.test('gives a wait more than 25 seconds before it counts as lost', async (t) => {
  const url = await startServer(t, ({ headers }, response) => {
    if (headers.prefer === undefined)
      response.writeHead(200, { etag: '"a"' }).end('{"status":"Running","done":false}')
  })
  const clock = new FakeClock()
  const { client, requests } = recordingClient({ baseUrl: url }, clock)
  const retries: string[] = []
  const controller = new AbortController()
  const { signal } = controller
  const onRetry = ({ message }: Error) => retries.push(message)
  client.waitUntilDone(JOB_ID, { signal, onRetry }).catch(() => {})
  await until(() => requests.length === 2)
  clock.advance(54_999)
  t.strictSame(retries, [])
  clock.advance(1)
  await until(() => retries.length === 1)
  t.strictSame(retries, ['No response for 55 s'])
  controller.abort()
})

t.test('ends with a permanent problem', async (t) => {
  const { client, requests } = await startClient(t)
  await t.rejects(client.waitUntilDone(jobIdOf(404)), { code: 'job-not-found' })
  await t.rejects(client.waitUntilDone('0012'), { code: 'invalid-job-id' })
  t.equal(requests.length, 2)
})

t.test('shows a state that another request of the client has read before', async (t) => {
  const { url, simulator, app, advance } = await startFakeTimeService(t)
  const clock = new FakeClock()
  const { client } = recordingClient({ baseUrl: url }, clock)
  simulator.cdf.addJob(progressing(JOB_ID))
  const shown: string[] = []
  let retries = 0
  const waiting = client.waitUntilDone(JOB_ID, {
    onChange: ({ status }) => shown.push(status),
    onRetry: () => {
      retries += 1
    },
  })
  await until(() => app.jobPoller.sizes.watchers === 1)
  app.server.closeAllConnections()
  await until(() => retries === 1)
  await advance(10_000)
  t.match(await client.get(JOB_ID), { status: 'Running' })
  clock.advance(1_000)
  await until(() => shown.length === 2)
  await until(() => app.jobPoller.sizes.watchers === 1)
  await advance(10_000)
  await waiting
  t.strictSame(shown, ['Queued', 'Running', 'Completed'])
})
