import type { Test } from 'tap'
import t from 'tap'
import { assertProblem } from '../support/assert-problem.ts'
import { freePort } from '../support/local-server.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { type Service, startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

const send = (port: number, host: string, path = '/health/live', method = 'GET') =>
  sendRaw(port, `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)

const LOOPBACK = ['localhost', 'LOCALHOST:3000', '127.0.0.1', '127.0.0.2:80', '[::1]', '[::1]:3000']
const OTHERS = [
  'attacker.example',
  'attacker.example:3000',
  'localhost.attacker.example',
  '127.0.0.1.attacker.example',
  '10.0.0.1',
  '0.0.0.0:3000',
  '[::]:3000',
  '',
]

t.test('answers only loopback names with AUTH_MODE=none', async (t) => {
  const { port } = await startService(t, { environment: { AUTH_ALLOW_ANONYMOUS: 'false' } })
  for (const host of LOOPBACK) t.equal(parseRaw(await send(port, host)).status, 200, host)
  for (const host of OTHERS) {
    const answer = parseRaw(await send(port, host))
    assertProblem(t, answer, 400, 'invalid-request')
    t.equal(
      answer.body.detail,
      'Without authentication, the service answers only requests to localhost.',
      host,
    )
  }
  for (const path of ['/jobs/1/quality', '/openapi.yaml', '/docs', '/problems/overloaded', '/nope'])
    assertProblem(t, parseRaw(await send(port, 'attacker.example', path)), 400, 'invalid-request')
  const options = parseRaw(await send(port, 'attacker.example', '/jobs/1/quality', 'OPTIONS'))
  assertProblem(t, options, 400, 'invalid-request')
  const http10 = await sendRaw(port, 'GET /health/live HTTP/1.0\r\n\r\n')
  t.equal(parseRaw(http10).status, 200, 'a browser always sends a Host header')
})

t.test('answers any name with AUTH_ALLOW_ANONYMOUS=true or with AUTH_MODE=jwt', async (t) => {
  for (const environment of [{ AUTH_ALLOW_ANONYMOUS: 'true' }, { AUTH_MODE: 'jwt' }]) {
    const { port } = await startService(t, {
      environment: { AUTH_ALLOW_ANONYMOUS: 'false', ...environment },
    })
    t.equal(parseRaw(await send(port, 'attacker.example')).status, 200)
  }
})

/** The first lines of responses of the metrics listener, by Host. */
async function metricsFor(t: Test, environment: Record<string, string>, hosts: string[]) {
  const port = await freePort()
  const { logs }: Service = await startService(t, {
    environment: { METRICS_PORT: String(port), ...environment },
  })
  const statusOf = async (host: string) => {
    const raw = await send(port, host, '/metrics').catch(() => '')
    return Number(raw.split(' ')[1])
  }
  let isListening = false
  while (!isListening) isListening = (await statusOf('localhost')) === 200
  await until(() => logs.every(({ msg }) => msg !== 'metrics listener failed'))
  return Promise.all(hosts.map(statusOf))
}

t.test('serves metrics on a loopback address only under loopback names', async (t) => {
  const statuses = await metricsFor(t, {}, [...LOOPBACK, ...OTHERS])
  t.strictSame(statuses, [...LOOPBACK.map(() => 200), ...OTHERS.map(() => 421)])
})

t.test('serves metrics on other addresses under any name', async (t) => {
  t.strictSame(await metricsFor(t, { HOST: '0.0.0.0' }, ['attacker.example']), [200])
})
