import { METHODS } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { request } from '../support/request.ts'
import { startService } from '../support/start-service.ts'

const unknownPaths = [
  '/nope',
  '/jobs',
  '/jobs/',
  `/jobs/${JOB_ID}`,
  `/jobs/${JOB_ID}/quality/`,
  `/JOBS/${JOB_ID}/quality`,
  `//jobs/${JOB_ID}/quality`,
  '/problems/nope',
  '/docs/static/nope',
  '/health',
  '/jobs/qualities',
]
for (const path of unknownPaths) {
  t.test(`answers ${path} with not-found`, async (t) => {
    const { get } = await startService(t)
    assertProblem(t, await get(path), 404, 'not-found')
  })
}

t.test('answers every other method on a known path with method-not-allowed', async (t) => {
  const { url, port } = await startService(t)
  const paths = [
    `/jobs/${JOB_ID}/quality`,
    '/jobs/nonsense/quality',
    '/health/live',
    '/health/ready',
    '/openapi.yaml',
    '/problems/not-found',
    '/',
    '/docs',
  ]
  for (const path of paths) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      const answer = await request(`${url}${path}`, { method })
      assertProblem(t, answer, 405, 'method-not-allowed')
      t.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS')
    }
  }
  const answered = ['GET', 'HEAD', 'OPTIONS', 'CONNECT']
  for (const method of METHODS.filter((name) => !answered.includes(name))) {
    const answer = parseRaw(
      await sendRaw(
        port,
        `${method} /jobs/${JOB_ID}/quality HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      ),
    )
    t.equal(answer.status, 405, method)
  }
})

t.test('recognizes known paths as the router does', async (t) => {
  const { port } = await startService(t)
  const statusesOf = (path: string) =>
    Promise.all(
      ['GET', 'POST'].map(async (method) => {
        const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`
        return parseRaw(await sendRaw(port, head)).status
      }),
    )
  const known = ['http://x/health/live', '/%68ealth/live', '/health/live#x', '/health/live?a=/']
  for (const path of known) t.strictSame(await statusesOf(path), [200, 405], path)
  for (const path of ['/jobs//quality', '/jobs/a%2Fb/quality'])
    t.strictSame(await statusesOf(path), [400, 405], path)
  for (const path of ['/x/../health/live', '/health/./live', '/health', '/jobs/1/quality/'])
    t.strictSame(await statusesOf(path), [404, 404], path)
})

t.test('ignores the body of a request with another method', async (t) => {
  const { url } = await startService(t)
  const post = (path: string, body: string, type = 'application/json') =>
    request(`${url}${path}`, { method: 'POST', body, headers: { 'content-type': type } })
  assertProblem(t, await post('/nope', '{"a":'), 404, 'not-found')
  assertProblem(t, await post('/nope', 'x', 'text/weird'), 404, 'not-found')
  assertProblem(t, await post('/health/live', '{"a":'), 405, 'method-not-allowed')
  assertProblem(t, await post('/nope', 'x'.repeat(100_000)), 404, 'not-found')
})

t.test('answers an invalid percent-encoding with invalid-request', async (t) => {
  const { get } = await startService(t)
  for (const id of ['%', '%zz', '%c3%28', 'a%']) {
    assertProblem(
      t,
      await get(`/jobs/${id}/quality`, { 'x-request-id': 'r-1' }),
      400,
      'invalid-request',
    )
  }
})

t.test(
  'answers an over-long part of the URL with uri-too-long, without repeating it',
  async (t) => {
    const { get } = await startService(t)
    const answer = await get(`/jobs/${'a'.repeat(9_000)}/quality`)
    assertProblem(t, answer, 414, 'uri-too-long')
    t.notMatch(answer.text, 'aaaa')
  },
)

const rawRequests: [name: string, bytes: string, status: number, code: string][] = [
  ['no HTTP', 'hello\r\n\r\n', 400, 'invalid-request'],
  ['an unknown method', 'FETCH / HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'invalid-request'],
  [
    'a header without a colon',
    'GET / HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'a control character in a header',
    'GET / HTTP/1.1\r\nhost: x\r\na: \x01\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'both a length and chunks',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n0',
    400,
    'invalid-request',
  ],
  [
    'headers over 32 KiB',
    `GET / HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(33_000)}\r\n\r\n`,
    431,
    'headers-too-large',
  ],
  [
    'a URL over 32 KiB',
    `GET /${'a'.repeat(33_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    431,
    'headers-too-large',
  ],
  [
    'two hosts',
    'GET /health/live HTTP/1.1\r\nhost: x\r\nHost: y\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  ['no host', 'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'invalid-request'],
  [
    'two authorizations',
    'GET /health/live HTTP/1.1\r\nhost: x\r\nauthorization: a\r\nAuthorization: b\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'a host with a space',
    'GET /health/live HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'a host with a user',
    'GET /health/live HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'a host that is a URL',
    'GET /health/live HTTP/1.1\r\nhost: http://x/\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  [
    'a query that cannot be decoded',
    'GET /health/live?%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    400,
    'invalid-request',
  ],
  ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'invalid-request'],
]
for (const [name, bytes, status, code] of rawRequests) {
  t.test(`answers ${name} with ${code}`, async (t) => {
    const { port, logs } = await startService(t)
    const answer = parseRaw(await sendRaw(port, bytes))
    assertProblem(t, answer, status, code)
    t.match(
      logs.find((line) => line.msg === 'request'),
      { status, code, requestId: answer.headers.get('x-request-id')?.trim() },
    )
  })
}

const goodRaw: [name: string, bytes: string, status: number][] = [
  [
    'a host with a port',
    'GET /health/live HTTP/1.1\r\nhost: [::1]:3000\r\nconnection: close\r\n\r\n',
    200,
  ],
  [
    'headers of 31 KiB',
    `GET /health/live HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(31 * 1024)}\r\nconnection: close\r\n\r\n`,
    200,
  ],
  ['HTTP/1.0 without host', 'GET /health/live HTTP/1.0\r\n\r\n', 200],
  [
    'an absolute URL',
    'GET http://x/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    200,
  ],
  [
    'an unknown expectation',
    'GET /health/live HTTP/1.1\r\nhost: x\r\nexpect: the-best\r\nconnection: close\r\n\r\n',
    200,
  ],
  [
    'an upgrade that is not supported',
    'GET /health/live HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n',
    200,
  ],
]
for (const [name, bytes, status] of goodRaw) {
  t.test(`accepts ${name}`, async (t) => {
    const { port } = await startService(t)
    t.equal(parseRaw(await sendRaw(port, bytes)).status, status)
  })
}

t.test('answers a valid and then an invalid request on the same connection', async (t) => {
  const { port } = await startService(t)
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.setEncoding('utf8')
  let received = ''
  const closed = new Promise((resolve) => socket.on('close', resolve))
  socket.on('data', (chunk: string) => {
    received += chunk
    if (received.includes('{"status":"ok"}') && !received.includes('invalid-request'))
      socket.write('nonsense\r\n\r\n')
  })
  socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
  await closed
  t.match(received, /^HTTP\/1\.1 200 OK.*HTTP\/1\.1 400 Bad Request.*"code":"invalid-request"/s)
})

t.test("keeps the caller's request id in errors of the HTTP parser", async (t) => {
  const { port } = await startService(t)
  const send = async (lines: string) =>
    parseRaw(await sendRaw(port, `GET / HTTP/1.1\r\nhost: x\r\n${lines}nonsense\r\n\r\n`))
      .headers.get('x-request-id')
      ?.trim()
  t.equal(await send('X-Request-Id: mine-1\r\n'), 'mine-1')
  t.match(await send('x-request-id: a b\r\n'), /^[0-9a-f-]{36}$/)
  t.match(await send('x-request-id: a\r\nx-request-id: b\r\n'), /^[0-9a-f-]{36}$/)
})

t.test('limits the time for receiving a request', async (t) => {
  const { app } = await startService(t)
  const { headersTimeout, requestTimeout, keepAliveTimeout } = app.server
  for (const timeoutMs of [headersTimeout, requestTimeout, keepAliveTimeout]) {
    t.ok(timeoutMs > 0 && timeoutMs <= 75_000, String(timeoutMs))
  }
})

t.test('survives callers that reset the connection instead of reading the response', async (t) => {
  const { port, get } = await startService(t)
  for (const bytes of ['CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', 'nonsense\r\n\r\n']) {
    for (let times = 0; times < 20; times += 1) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.write(bytes, () => socket.resetAndDestroy())
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
    }
  }
  t.equal((await get('/health/live')).status, 200)
})

t.test('answers a pipelined request before the parser error behind it', async (t) => {
  const { port, simulator } = await startService(t)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const bytes = `GET /jobs/${JOB_ID}/quality HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n`
  const both =
    /^HTTP\/1\.1 200 OK.*"status":"Completed".*HTTP\/1\.1 400 Bad Request.*"code":"invalid-request"/s
  simulator.cdf.faults.next({ delayMs: 100 })
  t.match(await sendRaw(port, bytes), both, 'also for a miss')
  t.match(await sendRaw(port, bytes), both, 'from the cache')
})

t.test('answers a request whose body is malformed', async (t) => {
  const { port } = await startService(t)
  const head =
    'POST /nope HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-type: a/b\r\n\r\n'
  assertProblem(t, parseRaw(await sendRaw(port, `${head}nonsense\r\n`)), 404, 'not-found')
})
