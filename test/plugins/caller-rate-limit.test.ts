import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { type HttpResponse, request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'

/** A service behind one proxy, which limits callers by address. */
async function startBehindProxy(t: Test, perMinute: number) {
  const service = await startService(t, {
    clock: 'fake',
    environment: { RATE_LIMIT_PER_MINUTE: String(perMinute), TRUST_PROXY: '1' },
  })
  /** Whether a request from this address is within the limit. */
  const isAllowed = async (forwardedFor: string) => {
    const { status } = await service.get('/jobs/1/quality', { 'x-forwarded-for': forwardedFor })
    return status !== 429
  }
  return { ...service, isAllowed }
}

t.test('counts an address once, whatever its port and form', async (t) => {
  const { isAllowed } = await startBehindProxy(t, 4)
  for (const form of ['192.0.2.1', '192.0.2.1:1000', '192.0.2.1:1001', '[::ffff:192.0.2.1]:443'])
    t.ok(await isAllowed(form), form)
  for (const form of ['192.0.2.1:1002', '::ffff:192.0.2.1', '[::ffff:c000:201]', '192.0.2.1'])
    t.notOk(await isAllowed(form), form)
  t.ok(await isAllowed('192.0.2.2:1000'))
})

t.test('counts the addresses of one IPv6 network together, in any form', async (t) => {
  const { isAllowed } = await startBehindProxy(t, 2)
  for (const form of ['2001:db8:1:2::1', '[2001:DB8:1:2::2]:443']) t.ok(await isAllowed(form), form)
  for (const form of ['[2001:db8:1:2::3]', '2001:db8:1:2::4%eth0']) t.notOk(await isAllowed(form))
  t.ok(await isAllowed('[2001:db8:1:3::1]:443'))
})

t.test('counts a text that is no address under the address of the socket', async (t) => {
  const { isAllowed } = await startBehindProxy(t, 1)
  t.ok(await isAllowed('x'.repeat(15_000)))
  for (const text of ['y'.repeat(15_000), 'unknown', '_hidden', '192.0.2.256', '127.0.0.1'])
    t.notOk(await isAllowed(text), text.slice(0, 20))
})

t.test('limits public routes by address, but never probes', async (t) => {
  const { url, get, clock } = await startService(t, {
    clock: 'fake',
    environment: { AUTH_MODE: 'jwt', RATE_LIMIT_PER_MINUTE: '5' },
  })
  const paths = ['/docs', '/openapi.yaml', '/openapi.json', '/problems/overloaded', '/']
  for (const path of paths) t.not((await get(path)).status, 429, path)
  clock.advance(17_500)
  for (const path of [...paths, '/docs/static/swagger-ui.css', '/problems/unknown']) {
    const answer = await get(path)
    assertProblem(t, answer, 429, 'too-many-requests')
    t.equal(answer.headers.get('retry-after'), '43', 'the seconds until the window ends')
  }
  t.equal((await request(`${url}/docs`, { method: 'HEAD' })).status, 429)
  for (let probe = 0; probe < 10; probe += 1) {
    t.equal((await get('/health/live')).status, 200)
    t.not((await get('/health/ready')).status, 429)
  }
  clock.advance(42_500)
  t.equal((await get('/openapi.yaml')).status, 200)
})

t.test('counts requests for public routes and for jobs separately', async (t) => {
  const { get, quality } = await startService(t, { environment: { RATE_LIMIT_PER_MINUTE: '1' } })
  t.equal((await get('/openapi.yaml')).status, 200)
  t.not((await quality('1')).status, 429)
  t.equal((await get('/openapi.yaml')).status, 429)
  t.equal((await quality('1')).status, 429)
})

t.test('says on every limited response what is left', async (t) => {
  const { url, get, quality, simulator, clock } = await startService(t, {
    clock: 'fake',
    environment: { RATE_LIMIT_PER_MINUTE: '7' },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const list = `/jobs/quality?jobId=${JOB_ID}`
  const etag = (await quality()).headers.get('etag') ?? ''
  clock.advance(17_500)
  const responses: [name: string, response: HttpResponse, status: number][] = [
    ['a hit', await quality(), 200],
    ['a 304', await quality(JOB_ID, { 'if-none-match': etag }), 304],
    ['a HEAD', await request(`${url}${list}`, { method: 'HEAD' }), 200],
    ['a problem', await quality('0012'), 400],
    ['an unknown route', await get('/jobs/nothing'), 404],
    ['a stream', await get(`/jobs/${JOB_ID}/quality/events`), 200],
    ['a 429', await quality(), 429],
  ]
  let remaining = 6
  for (const [name, { status, headers }, expected] of responses) {
    remaining = Math.max(0, remaining - 1)
    t.equal(status, expected, name)
    t.equal(headers.get('ratelimit-policy'), '"default";q=7;w=60', name)
    t.equal(headers.get('ratelimit'), `"default";r=${remaining};t=43`, name)
  }
  t.equal(responses.at(-1)?.[1].headers.get('retry-after'), '43')
  t.equal((await get('/openapi.yaml')).headers.get('ratelimit'), '"default";r=6;t=60')
})

t.test('says nothing where no limit applies', async (t) => {
  const limited = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
  t.equal((await limited.quality()).headers.get('ratelimit'), null, 'before the authentication')
  t.equal((await limited.get('/health/live')).headers.get('ratelimit'), null)
  const { quality, get } = await startService(t, { environment: { RATE_LIMIT_PER_MINUTE: '0' } })
  for (const { headers } of [await quality(), await get('/openapi.yaml')]) {
    t.equal(headers.get('ratelimit'), null)
    t.equal(headers.get('ratelimit-policy'), null)
  }
})

t.test('has no limit of 0', async (t) => {
  const { get } = await startService(t, { environment: { RATE_LIMIT_PER_MINUTE: '0' } })
  for (let times = 0; times < 20; times += 1) t.equal((await get('/openapi.yaml')).status, 200)
})
