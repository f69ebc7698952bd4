import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { JobQualityList } from '../../src/jobs/job-list.ts'
import { ProblemError } from '../../src/problems/problem.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'

const pathOf = (...jobIds: string[]) =>
  `/jobs/quality?${jobIds.map((jobId) => `jobId=${jobId}`).join('&')}`

t.test(
  'returns each job with its quality or its problem, in the order of the request',
  async (t) => {
    const { get, quality, simulator } = await startService(t)
    const [done, running, unknown] = [jobIdOf(10), '9223372036854775807', jobIdOf(11)]
    simulator.cdf.addJob(lasting(done, 'Completed', SCORES))
    simulator.cdf.addJob(lasting(running, 'Running'))
    const { status, headers, body } = await get(
      pathOf(running, unknown, done.toUpperCase(), running),
      { 'x-request-id': 'mine' },
    )
    t.equal(status, 200)
    const { items } = body as JobQualityList
    t.strictSame(
      items.map(({ jobId, quality, problem }) => [jobId, quality?.status, problem?.code]),
      [
        [running, 'Running', undefined],
        [unknown, undefined, 'job-not-found'],
        [done, 'Completed', undefined],
      ],
    )
    for (const item of items) t.strictSame(Object.keys(item), ['jobId', 'quality', 'problem'])
    t.strictSame(items[2]?.quality, (await quality(done)).body)
    t.match(items[1]?.problem, { status: 404, requestId: 'mine', upstream: { status: 404 } })
    t.strictSame([items[0]?.problem, items[1]?.quality], [null, null])
    t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
    t.equal(headers.get('cache-control'), 'private, no-cache')
    t.equal(headers.get('vary'), 'Authorization')
    t.equal(headers.get('retry-after'), '2')
    t.equal(headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
  },
)

t.test('accepts 1 to 100 jobs, and removes duplicates', async (t) => {
  const { get, simulator } = await startService(t)
  const hundred = Array.from({ length: 100 }, (_, number) => jobIdOf(number))
  for (const jobId of hundred) simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  const all = await get(pathOf(...hundred, ...hundred))
  t.equal((all.body as JobQualityList).items.length, 100)
  t.ok((all.body as JobQualityList).items.every(({ quality }) => quality?.done))
  t.equal(simulator.cdf.requests.length, 100)
  assertProblem(t, await get(pathOf(...hundred, jobIdOf(100))), 400, 'invalid-request')
  t.equal(simulator.cdf.requests.length, 100)
})

t.test('rejects other forms of a list, and names the right one', async (t) => {
  const { get, simulator } = await startService(t)
  const queries = [
    '',
    '?',
    `?jobid=${JOB_ID}`,
    `?jobIds=${JOB_ID}`,
    `?jobId[]=${JOB_ID}`,
    `?jobId%5B0%5D=${JOB_ID}`,
    `?jobId=${JOB_ID}&jobId[]=7`,
    `?jobId=${JOB_ID},7`,
    `?jobId=${JOB_ID}&jobId=7%2C8`,
  ]
  for (const path of queries.flatMap((query) => [
    `/jobs/quality${query}`,
    `/jobs/quality/events${query}`,
  ])) {
    const answer = await get(path)
    assertProblem(t, answer, 400, 'invalid-request')
    t.equal(
      (answer.body as { detail: string }).detail,
      'Repeat the parameter jobId 1 to 100 times, once for each job: jobId=A&jobId=B. Other forms, such as jobId[]=A or jobId=A,B, are not supported.',
      path,
    )
  }
  t.equal(simulator.cdf.requests.length, 0)
})

t.test(
  'returns an own problem for an invalid job id in a list, and reads the other jobs',
  async (t) => {
    const { get, simulator } = await startService(t)
    simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
    const invalid = ['', '0012', '"\u2028\n<b>', 'Ω'.repeat(64)]
    const path = pathOf(...[...invalid, JOB_ID, '0012'].map(encodeURIComponent))
    const { status, headers, body } = await get(path, { 'x-request-id': 'mine' })
    t.equal(status, 200)
    const { items } = body as JobQualityList
    t.strictSame(
      items.map(({ jobId, quality, problem }) => [jobId, quality?.status, problem?.code]),
      [
        ...invalid.map((jobId) => [jobId, undefined, 'invalid-job-id']),
        [JOB_ID, 'Completed', undefined],
      ],
    )
    const problem = new ProblemError('invalid-job-id').toProblem('mine')
    t.strictSame(items[1]?.problem, problem, 'no echo in the problem itself')
    t.equal(headers.get('retry-after'), null, 'every state is final')
    t.equal(simulator.cdf.requests.length, 1)
  },
)

t.test('returns at most 64 characters of an invalid job id', async (t) => {
  const { get, simulator } = await startService(t)
  const long = 'x'.repeat(63)
  const { body } = await get(
    pathOf(...[`${long}yz`, `${long}yy`, `${long}💚`].map(encodeURIComponent)),
  )
  t.strictSame(
    (body as JobQualityList).items.map(({ jobId }) => jobId),
    [`${long}y`, `${long}\ufffd`],
  )
  t.equal(simulator.cdf.requests.length, 0)
})

t.test('has an entity tag that changes when any job changes', async (t) => {
  const { url, get, simulator } = await startService(t, {
    environment: { JOB_STATUS_FRESH_MS: '0' },
  })
  const path = pathOf(JOB_ID, '7')
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  simulator.cdf.addJob(lasting('7', 'Running'))
  const first = await get(path)
  const etag = first.headers.get('etag') ?? ''
  t.match(etag, /^"[A-Za-z0-9_-]{22}"$/)
  const same = await get(path, { 'if-none-match': etag })
  t.equal(same.status, 304)
  t.equal(same.text, '')
  t.equal(same.headers.get('cache-status'), 'cdf-job-quality; fwd=stale')
  t.not(
    (await get(pathOf('7', JOB_ID))).headers.get('etag'),
    etag,
    'another order has another entity tag',
  )
  simulator.cdf.addJob(lasting('7', 'Failed'))
  const changed = await get(path, { 'if-none-match': etag })
  t.equal(changed.status, 200)
  t.equal(changed.headers.get('retry-after'), null, 'no Retry-After when all jobs are done')
  const cached = await get(path)
  t.equal(cached.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.equal(cached.headers.get('age'), '0')
  t.equal(cached.text, changed.text)
  const head = await request(`${url}${path}`, { method: 'HEAD' })
  t.equal(head.headers.get('etag'), cached.headers.get('etag'))
  t.equal(head.headers.get('content-length'), String(Buffer.byteLength(cached.text)))
})

t.test('never answers 304 for a list with a problem, which contains the request id', async (t) => {
  const { get } = await startService(t)
  const first = await get(pathOf(JOB_ID))
  const again = await get(pathOf(JOB_ID), { 'if-none-match': first.headers.get('etag') ?? '' })
  t.equal(again.status, 200)
  t.equal(again.headers.get('cache-status'), 'cdf-job-quality; hit')
  t.match((again.body as JobQualityList).items[0]?.problem, {
    requestId: again.headers.get('x-request-id'),
  })
})

t.test(
  'shares reads with other requests, and returns a failure only for its own job',
  async (t) => {
    const { get, quality, simulator } = await startService(t)
    for (const jobId of ['1', '2', '3']) simulator.cdf.addJob(lasting(jobId, 'Running'))
    simulator.cdf.faults.standing = { delayMs: 50 }
    const [list, other] = await Promise.all([
      get(pathOf('1', '2')),
      get(pathOf('2', '1', '3')),
      quality('2'),
    ])
    t.equal(simulator.cdf.requests.length, 3)
    t.equal(list.status, 200)
    t.equal(other.headers.get('cache-status'), 'cdf-job-quality; fwd=miss')
    simulator.cdf.faults.clear()
    simulator.cdf.faults.next({ status: 403 })
    const { body } = await get(pathOf('4', '1'))
    t.match((body as JobQualityList).items, [
      { jobId: '4', quality: null, problem: { code: 'upstream-forbidden' } },
      { jobId: '1', problem: null },
    ])
  },
)

t.test('requires an access token, and rejects POST', async (t) => {
  const { get, url } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
  assertProblem(t, await get(pathOf(JOB_ID)), 401, 'unauthenticated')
  const post = await request(`${url}${pathOf(JOB_ID)}`, { method: 'POST' })
  t.equal(post.status, 401)
  const withoutAuth = await startService(t)
  const rejected = await request(`${withoutAuth.url}${pathOf(JOB_ID)}`, { method: 'POST' })
  assertProblem(t, rejected, 405, 'method-not-allowed')
})
