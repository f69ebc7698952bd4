import t from 'tap'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const JWT = { environment: { AUTH_MODE: 'jwt' } }

t.test('answers OPTIONS on every known path with 204 and Allow, without a token', async (t) => {
  const { url, simulator } = await startService(t, JWT)
  const paths = [
    `/jobs/${JOB_ID}/quality`,
    `/jobs/${JOB_ID}/quality/events`,
    '/jobs/nonsense/quality',
    '/jobs/quality',
    '/jobs/quality/events?jobId=1',
    '/health/live',
    '/health/ready',
    '/openapi.yaml',
    '/openapi.json',
    '/problems/not-found',
    '/',
    '/docs',
  ]
  for (const path of paths) {
    const answer = await request(`${url}${path}`, {
      method: 'OPTIONS',
      headers: { 'x-request-id': 'mine' },
    })
    t.match(answer, { status: 204, text: '' }, path)
    t.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS', path)
    t.equal(answer.headers.get('content-length'), null)
    t.equal(answer.headers.get('content-type'), null)
    t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    t.equal(answer.headers.get('x-request-id'), 'mine')
  }
  t.equal(simulator.cdf.requests.length, 0)
})

t.test('answers OPTIONS on an unknown path as any other method', async (t) => {
  const { url } = await startService(t, JWT)
  const options = (path: string) => request(`${url}${path}`, { method: 'OPTIONS' })
  for (const path of ['/nope', '/health', '/openapi'])
    assertProblem(t, await options(path), 404, 'not-found')
  for (const path of ['/jobs', '/jobs/', '/jobs/nothing'])
    assertProblem(t, await options(path), 401, 'unauthenticated')
})

t.test('answers OPTIONS for the server as a whole, and with HTTP/1.0 without a Host', async (t) => {
  const { port } = await startService(t, { environment: { AUTH_ALLOW_ANONYMOUS: 'false' } })
  const heads = [
    'OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    'OPTIONS / HTTP/1.0\r\n\r\n',
    'OPTIONS http://localhost/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  ]
  for (const head of heads) {
    const { status, headers } = parseRaw(await sendRaw(port, head))
    t.equal(status, 204, head)
    t.equal(headers.get('allow'), 'GET, HEAD, OPTIONS', head)
  }
  const withBody =
    'OPTIONS / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello'
  t.equal(parseRaw(await sendRaw(port, withBody)).status, 204, 'with a body')
})

t.test('logs an OPTIONS request with the route', async (t) => {
  const { url, logs } = await startService(t, JWT)
  await request(`${url}/jobs/${JOB_ID}/quality`, { method: 'OPTIONS' })
  const lines = () => logs.filter(({ msg }) => msg === 'request')
  await until(() => lines().length === 1)
  t.match(lines()[0], { method: 'OPTIONS', route: '/jobs/:jobId/quality', status: 204, level: 30 })
})
