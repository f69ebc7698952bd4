import type { Test } from 'tap'
import t from 'tap'
import type { Fault } from '../../simulator/upstream/fault.ts'
import type { SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import type { JobQualityList } from '../../src/jobs/job-list.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { assertDocumented, operationOf, operations } from '../support/contract.ts'
import { openEvents } from '../support/event-stream.ts'
import type { HttpResponse } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

/** The simulated job that leads to this quality. */
function jobOf(quality: JobQuality): SimulatedJob {
  const { status, scores, errorMessage } = quality
  const afterMs = (time: string | null) =>
    Date.parse(time ?? '') - Date.parse(quality.createdAt ?? '')
  const last = {
    afterMs: afterMs(quality.statusChangedAt),
    status: status === 'Unknown' ? 'Paused' : status,
    with: {
      errorMessage,
      qualityScorePercent: scores?.qualityPercent,
      confidencePercent: scores?.confidencePercent,
      contextualizationScorePercent: scores?.contextualizationPercent,
    },
  }
  const queued = { afterMs: 0, status: 'Queued' }
  const running = { afterMs: afterMs(quality.startedAt), status: 'Running' }
  return {
    jobId: quality.jobId,
    advancedJoinExternalId: quality.advancedJoinExternalId ?? '',
    steps: quality.startedAt ? [queued, running, last] : [queued, last],
  }
}

/** Starts the service with a fake clock and a second one for CDF. */
async function start(t: Test) {
  let nowMs = 0
  const service = await startService(t, { clock: 'fake', simulator: { now: () => nowMs } })
  /** Adds the job of an example to CDF and sets its clock to the time of the example. */
  const addExample = (quality: JobQuality, at = quality.statusChangedAt) => {
    nowMs = Date.parse(quality.createdAt ?? '')
    service.simulator.cdf.addJob(jobOf(quality))
    nowMs = Date.parse(at ?? '')
  }
  const setTime = (time: string | null) => {
    nowMs = Date.parse(time ?? '')
  }
  return { ...service, addExample, setTime }
}

/** The tested responses: operation, status and, if any, name of the example. */
const sent = new Set<string>()

/** Asserts that a response matches the contract, and records it in `sent`. */
function assertSent(t: Test, operationId: string, response: HttpResponse, example?: string): void {
  sent.add([operationId, response.status, example].filter(Boolean).join(' '))
  assertDocumented(t, operationOf(operationId), response)
}

function examplesOf<Value>(operationId: string, type: string): [name: string, value: Value][] {
  const { examples = {} } = operationOf(operationId).responses[200]?.content?.[type] ?? {}
  return Object.entries(examples).map(([name, { value }]) => [name, value as Value])
}

for (const [name, job] of examplesOf<JobQuality>('getJobQuality', 'application/json')) {
  t.test(`sends the example "${name}" of getJobQuality`, async (t) => {
    const { quality, addExample } = await start(t)
    addExample(job)
    const first = await quality(job.jobId)
    t.strictSame(first.body, job)
    assertSent(t, 'getJobQuality', first, name)
    const known = { 'if-none-match': first.headers.get('etag') ?? '' }
    const again = await quality(job.jobId, job.done ? { ...known, prefer: 'wait=25' } : known)
    t.equal(again.status, 304)
    assertSent(t, 'getJobQuality', again)
  })
}

for (const [name, list] of examplesOf<JobQualityList>('listJobQualities', 'application/json')) {
  t.test(`sends the example "${name}" of listJobQualities`, async (t) => {
    const { get, quality, simulator, addExample } = await start(t)
    for (const item of list.items) {
      if (item.quality) addExample(item.quality)
      if (item.quality) await quality(item.jobId)
    }
    // The job with a problem is not cached yet.
    const { problem } = list.items.find((item) => item.problem) ?? {}
    simulator.cdf.faults.next(unknownJob(problem))
    const path = `/jobs/quality?${list.items.map(({ jobId }) => `jobId=${jobId}`).join('&')}`
    const response = await get(path, { 'x-request-id': problem?.requestId ?? '' })
    t.strictSame(response.body, list)
    assertSent(t, 'listJobQualities', response, name)

    const done = `/jobs/quality?jobId=${list.items[0]?.jobId}`
    const { headers } = await get(done)
    const again = await get(done, { 'if-none-match': headers.get('etag') ?? '' })
    t.equal(again.status, 304)
    assertSent(t, 'listJobQualities', again)
  })
}

const STREAMS: [operationId: string, pathOf: (jobId: string) => string][] = [
  ['streamJobQuality', (jobId) => `/jobs/${jobId}/quality/events`],
  ['streamJobQualities', (jobId) => `/jobs/quality/events?jobId=${jobId}`],
]
for (const [operationId, pathOf] of STREAMS) {
  for (const [name, text] of examplesOf<string>(operationId, 'text/event-stream')) {
    t.test(`sends the example "${name}" of ${operationId}`, async (t) => {
      const { url, get, simulator, clock, addExample, setTime } = await start(t)
      const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data))
      const [first, last] = [events[0], events.at(-1)]
      if (last.code) simulator.cdf.faults.next(unknownJob(last))
      else addExample(last, first.statusChangedAt)

      const path = pathOf(last.jobId)
      const stream = await openEvents(t, `${url}${path}`, {
        'x-request-id': first.requestId ?? 'x',
      })
      if (events.length > 1) {
        await until(() => stream.events.length === 1 && clock.timers.size === 2)
        setTime(last.statusChangedAt)
        clock.advance(2_000)
      }
      await until(stream.hasEnded)
      t.equal(stream.text(), text)
      assertSent(t, operationId, { ...stream, text: stream.text(), body: undefined }, name)

      const stop = await get(path, { 'last-event-id': stream.events.at(-1)?.id ?? '' })
      t.equal(stop.status, 204)
      assertSent(t, operationId, stop)
    })
  }
}

t.test('sends the documented responses of the other operations', async (t) => {
  const { get, app } = await startService(t)
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  const paths: [operationId: string, path: string, example?: string][] = [
    ['getLiveness', '/health/live', 'healthy'],
    ['getReadiness', '/health/ready', 'healthy'],
    ['getProblemPage', '/problems/job-not-found'],
    ['getContractAsYaml', '/openapi.yaml'],
    ['getContractAsJson', '/openapi.json'],
  ]
  for (const [operationId, path, example] of paths) {
    assertSent(t, operationId, await get(path), example)
  }
})

t.test('covers every successful response and every example of the contract', async (t) => {
  const documented = operations.flatMap(({ operationId, responses }) =>
    Object.entries(responses)
      .filter(([status]) => Number(status) < 400)
      .flatMap(([status, { content = {} }]) => {
        const examples = Object.values(content).flatMap((medium) =>
          Object.keys(medium.examples ?? {}),
        )
        return examples.length === 0
          ? [`${operationId} ${status}`]
          : examples.map((example) => `${operationId} ${status} ${example}`)
      }),
  )
  t.strictSame([...sent].sort(), documented.sort())
})

/** The response of CDF that leads to this problem of an example. */
function unknownJob(problem: Problem | null | undefined): Fault {
  return { status: 404, headers: { 'x-request-id': problem?.upstream?.requestId ?? '' } }
}
