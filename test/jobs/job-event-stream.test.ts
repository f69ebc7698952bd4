import { once } from 'node:events'
import t from 'tap'
import type { JobId } from '../../src/cdf/job-id.ts'
import { toCachedResponse } from '../../src/jobs/cached-response.ts'
import { JobEventStream } from '../../src/jobs/job-event-stream.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import { FakeClock } from '../support/fake-clock.ts'

const ID = '1' as JobId

const QUALITY: JobQuality = {
  jobId: ID,
  status: 'Running',
  done: false,
  advancedJoinExternalId: null,
  matcher: null,
  scores: null,
  errorMessage: null,
  createdAt: null,
  startedAt: null,
  statusChangedAt: null,
}

t.test('buffers the latest state for a slow reader, not a queue of states', async (t) => {
  const stream = new JobEventStream({
    jobIds: [ID],
    poller: { subscribe: () => {}, unsubscribe: () => {} },
    schedule: new FakeClock().schedule,
    context: { requestId: 'r', traceparent: 't', callerKey: 'c' },
    expiresInMs: Number.POSITIVE_INFINITY,
  })
  const STATES = 1_000
  for (let number = 1; number <= STATES; number += 1) {
    const quality = { ...QUALITY, errorMessage: `${number}`, done: number === STATES }
    const response = toCachedResponse(quality, 0, 0, 1_000)
    stream.onUpdate(ID, { response, outcome: 'stale', collapsed: false })
  }
  stream.onEnd()
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await once(stream, 'end')
  const numbers = [...text.matchAll(/"errorMessage":"(\d+)"/g)].map(([, number]) => Number(number))
  t.ok(numbers.length <= 2, `${numbers.length} of ${STATES} states`)
  t.equal(numbers.at(-1), STATES, 'the last state is not lost')
})
