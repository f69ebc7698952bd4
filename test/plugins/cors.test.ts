import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { contract } from '../support/contract.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'

const APP = 'https://app.example'
const PATH = `/jobs/${JOB_ID}/quality`
const PREFLIGHT = {
  'access-control-request-method': 'GET',
  'access-control-request-headers': 'authorization',
}

const words = (header: string | null) => (header ?? '').toLowerCase().split(/, */).sort()

t.test('sends no CORS headers by default', async (t) => {
  const { url, get } = await startService(t)
  const { headers } = await get('/health/live', { origin: APP })
  t.equal(headers.get('access-control-allow-origin'), null)
  t.equal(headers.get('vary'), null)
  const preflight = { method: 'OPTIONS', headers: { origin: APP, ...PREFLIGHT } }
  const answer = await request(`${url}${PATH}`, preflight)
  t.notMatch([...answer.headers.keys()].join(), 'access-control')
})

t.test('allows exactly the configured origins, also for errors', async (t) => {
  const environment = { CORS_ORIGINS: `${APP},http://localhost:5173` }
  const { get, simulator } = await startService(t, { environment })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const paths: [path: string, status: number][] = [
    [PATH, 200],
    ['/jobs/nonsense/quality', 400],
    ['/jobs/77/quality', 404],
    ['/nope', 404],
    ['/jobs/%zz/quality', 400],
    [`${PATH}?%zz`, 400],
    [`/jobs/${'a'.repeat(9000)}/quality`, 414],
    ['/openapi.json', 200],
  ]
  for (const [path, status] of paths) {
    for (const origin of [APP, 'http://localhost:5173']) {
      const { headers, ...answer } = await get(path, { origin })
      t.equal(answer.status, status, path)
      t.equal(headers.get('access-control-allow-origin'), origin, path)
      t.equal(headers.get('access-control-allow-credentials'), null)
      t.ok(words(headers.get('vary')).includes('origin'), path)
      for (const name of ['etag', 'age', 'cache-status', 'retry-after', 'x-request-id']) {
        t.ok(words(headers.get('access-control-expose-headers')).includes(name), `${path} ${name}`)
      }
    }
    for (const origin of [
      'https://evil.example',
      `${APP}.evil.example`,
      `${APP}:8443`,
      'http://app.example',
      'null',
      '',
    ]) {
      const { headers, ...answer } = await get(path, { origin })
      t.equal(answer.status, status)
      t.equal(headers.get('access-control-allow-origin'), null, origin)
      t.ok(words(headers.get('vary')).includes('origin'), path)
    }
  }
  const { headers } = await get(PATH, { origin: APP })
  t.equal(headers.get('vary'), 'Authorization, Origin')
})

t.test('answers a preflight request without a token', async (t) => {
  const { url, simulator } = await startService(t, {
    environment: { CORS_ORIGINS: APP, AUTH_MODE: 'jwt' },
  })
  const preflight = (headers: Record<string, string>) =>
    request(`${url}${PATH}`, { method: 'OPTIONS', headers })
  const { status, headers, text } = await preflight({ origin: APP, ...PREFLIGHT })
  t.equal(status, 204)
  t.equal(text, '')
  t.equal(headers.get('access-control-allow-origin'), APP)
  t.strictSame(words(headers.get('access-control-allow-methods')), ['get', 'head'])
  t.equal(headers.get('access-control-allow-credentials'), null)
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  t.equal(
    (await preflight({ origin: 'https://evil.example', ...PREFLIGHT })).headers.get(
      'access-control-allow-origin',
    ),
    null,
  )
  const other = await preflight({ origin: APP })
  t.equal(other.headers.get('access-control-allow-methods'), null, 'not for other OPTIONS requests')
  t.equal(simulator.cdf.requests.length, 0)

  const refused = await request(`${url}${PATH}`, { headers: { origin: APP } })
  t.equal(refused.status, 401)
  t.equal(refused.headers.get('access-control-allow-origin'), APP)
  t.ok(words(refused.headers.get('access-control-expose-headers')).includes('www-authenticate'))
})

t.test(
  'allows the request headers of the API, HTTP clients, tracing and CORS_ALLOW_HEADERS',
  async (t) => {
    const { url } = await startService(t, {
      environment: { CORS_ORIGINS: APP, CORS_ALLOW_HEADERS: 'X-Client-Version, x-tenant' },
    })
    const { headers } = await request(`${url}${PATH}`, {
      method: 'OPTIONS',
      headers: { origin: APP, ...PREFLIGHT },
    })
    const expected = [
      ...['authorization', 'if-none-match', 'last-event-id', 'prefer', 'x-request-id'],
      ...['accept', 'cache-control', 'content-type', 'pragma', 'x-requested-with'],
      ...['baggage', 'request-context', 'request-id', 'sentry-trace', 'traceparent', 'tracestate'],
      ...['origin', 'parent-id', 'sampling-priority', 'tags', 'trace-id'].map(
        (name) => `x-datadog-${name}`,
      ),
      ...['x-client-version', 'x-tenant'],
    ]
    t.strictSame(words(headers.get('access-control-allow-headers')), expected.sort())
  },
)
t.test('lets front ends read every header that the contract describes', async (t) => {
  const { get } = await startService(t, { environment: { CORS_ORIGINS: APP } })
  const { headers } = await get(PATH, { origin: APP })
  const exposed = words(headers.get('access-control-expose-headers'))
  const described = Object.keys(contract.components.headers)
  t.ok(described.includes('ratelimit'))
  t.strictSame(
    described.filter((name) => !exposed.includes(name)),
    [],
  )
})

t.test('sends CORS headers with errors of the HTTP parser', async (t) => {
  const { port } = await startService(t, { environment: { CORS_ORIGINS: APP } })
  const send = async (origin: string) =>
    parseRaw(
      await sendRaw(port, `GET / HTTP/1.1\r\nhost: x\r\norigin: ${origin}\r\nnonsense\r\n\r\n`),
    ).headers
  t.equal((await send(APP)).get('access-control-allow-origin'), APP)
  t.equal((await send('https://evil.example')).get('access-control-allow-origin'), null)
})

t.test('allows all origins with *', async (t) => {
  const { get } = await startService(t, { environment: { CORS_ORIGINS: '*' } })
  for (const path of ['/health/live', '/jobs/%zz/quality']) {
    const { headers } = await get(path, { origin: 'https://anybody.example' })
    t.equal(headers.get('access-control-allow-origin'), '*')
    t.equal(headers.get('access-control-allow-credentials'), null)
  }
})
