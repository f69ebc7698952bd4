import t from 'tap'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { progressing } from '../support/fake-time-service.ts'
import { jobIdOf } from '../support/fixtures.ts'
import { recordingClient } from '../support/start-client.ts'
import { startInstance } from '../support/start-service.ts'
import { startForwarder } from '../support/tcp-forwarder.ts'
import { until } from '../support/wait.ts'

/** Time for the responses, which arrive over real sockets. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 2))

const JOBS = [jobIdOf(0), jobIdOf(1), jobIdOf(2)]

t.test('waits and streams survive the replacement of the instance', async (t) => {
  let cdfNowMs = Date.parse('2026-01-07T10:00:00.000Z')
  const simulator = await startSimulator({ now: () => cdfNowMs })
  t.teardown(() => simulator.close())
  for (const jobId of JOBS) simulator.cdf.addJob(progressing(jobId))
  const clock = new FakeClock()
  const start = () => startInstance(t, simulator, {}, clock)
  const old = await start()
  const forwarder = await startForwarder(t, old.port)

  // One waiter for each job, and a follower of all of them.
  const callers = [...JOBS, 'all'].map((jobId) => {
    const { client, requests } = recordingClient({ baseUrl: forwarder.url }, clock)
    const states: string[] = []
    const follow = async () => {
      for await (const { quality, problem } of client.follow(JOBS))
        states.push(quality?.status ?? problem?.code ?? '')
    }
    const onChange = ({ status }: { status: string }) => states.push(status)
    const ended = jobId === 'all' ? follow() : client.waitUntilDone(jobId, { onChange })
    return { requests, states, ended }
  })
  const requestCounts = () => callers.map(({ requests }) => requests.length)
  const have = (state: string) => callers.every(({ states }) => states.at(-1) === state)
  const areAnswered = () => callers.every(({ requests }) => requests.at(-1)?.isAnswered)
  /** Moves the clock, and waits for the responses of an instance that holds no request. */
  const step = async (ms: number) => {
    clock.advance(ms)
    await turn()
    await until(areAnswered)
  }
  const watched = 2 * JOBS.length
  await until(() => old.app.jobPoller.sizes.watchers === watched && have('Queued'))

  // The instance still gets all requests, because no load balancer knows yet that it drains.
  old.app.lifeCycle.drain()
  const before = requestCounts()
  const DRAINING_SECONDS = 10
  for (let second = 0; second < DRAINING_SECONDS; second += 1) await step(1_000)
  cdfNowMs += 10_000
  let seconds = DRAINING_SECONDS
  for (; !have('Running'); seconds += 1) await step(1_000)
  for (const [index, count] of requestCounts().entries()) {
    const sent = count - (before[index] ?? 0)
    t.ok(sent <= seconds / 2 + 2, `${sent} requests in ${seconds} s`)
  }

  // No instance at all, for a while.
  forwarder.port = 0
  await old.app.close()
  for (let second = 0; second < 5; second += 1) await step(1_000)

  const next = await start()
  forwarder.port = next.port
  for (; next.app.jobPoller.sizes.watchers < watched; await turn()) clock.advance(500)
  cdfNowMs += 10_000
  clock.advance(5_000)
  await Promise.all(callers.map(({ ended }) => ended))
  for (const { states } of callers.slice(0, -1))
    t.strictSame(states, ['Queued', 'Running', 'Completed'])
  t.strictSame(callers.at(-1)?.states.sort(), [
    ...Array(3).fill('Completed'),
    ...Array(3).fill('Queued'),
    ...Array(3).fill('Running'),
  ])
  t.comment(`requests: ${requestCounts().join(', ')}`)
})
