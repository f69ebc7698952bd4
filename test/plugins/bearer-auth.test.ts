import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { parseRaw, sendRaw } from '../support/raw-socket.ts'
import { type HttpResponse, request } from '../support/request.ts'
import { type Service, startService } from '../support/start-service.ts'
import { AUDIENCE, octJwk, startTestIssuer, type TestIssuer } from '../support/test-issuer.ts'
import { TOKEN_ATTACKS } from '../support/token-attacks.ts'
import { until } from '../support/wait.ts'

const PATH = `/jobs/${JOB_ID}/quality`
const NO_TOKEN = 'Bearer realm="cdf-job-quality"'
const INVALID_TOKEN =
  'Bearer realm="cdf-job-quality", error="invalid_token", error_description="The access token is not valid here."'

/** A service that trusts the test issuer. One Completed job is cached. */
async function start(
  t: Test,
  environment: Record<string, string> = {},
  prepare: (testIssuer: TestIssuer) => void = () => {},
) {
  const testIssuer = await startTestIssuer(t)
  prepare(testIssuer)
  const service = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      AUTH_ISSUER: testIssuer.issuer,
      AUTH_AUDIENCE: AUDIENCE,
      AUTH_REQUIRED_SCOPE: 'jobs:read',
      IDP_TIMEOUT_MS: '500',
      ...environment,
    },
  })
  service.simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const ask = (token: string, path = PATH) =>
    service.get(path, { authorization: `Bearer ${token}` })
  return { ...service, testIssuer, ask }
}

/** The part of a response that must be equal for all invalid tokens. */
function appearance({ status, headers, body }: HttpResponse) {
  const seen = new Map(headers)
  for (const name of ['date', 'x-request-id']) seen.delete(name)
  return { status, headers: [...seen].sort(), body: { ...(body as Problem), requestId: '' } }
}

t.test('rejects all attacks with the same response', async (t) => {
  const { get, testIssuer, simulator, logs } = await start(
    t,
    { TRUST_PROXY: '1' },
    ({ answer }) => {
      answer.keys.push(octJwk('published-secret'))
    },
  )
  // Each attack has another address, so that no address exceeds the failure limit.
  let address = 0
  const ask = (token: string) => {
    address += 1
    return get(PATH, { authorization: `Bearer ${token}`, 'x-forwarded-for': `10.0.0.${address}` })
  }
  const good = await testIssuer.sign()
  t.equal((await ask(good)).status, 200)
  const reads = simulator.cdf.requests.length
  t.ok(TOKEN_ATTACKS.length >= 30)
  const first = appearance(await ask('first'))
  t.match(first, { status: 401, body: { code: 'unauthenticated' } })
  t.ok(
    first.headers.some(([name, value]) => name === 'www-authenticate' && value === INVALID_TOKEN),
  )
  const refused = []
  for (const { name, token } of TOKEN_ATTACKS) {
    const bad = await token(testIssuer)
    t.strictSame(appearance(await ask(bad)), first, name)
    refused.push(bad)
  }
  t.equal((await ask(good)).status, 200)
  t.equal(simulator.cdf.requests.length, reads)
  const lines = JSON.stringify(logs)
  for (const bad of refused)
    if (bad.length > 20) t.notOk(lines.includes(bad), 'no token in the log')
  t.ok(logs.filter(({ msg }) => msg === 'authentication failed').length > TOKEN_ATTACKS.length)
  t.notMatch(lines, /eyJ/)
})

const good: [name: string, token: (testIssuer: TestIssuer) => Promise<string>][] = [
  ['an RS256 token', ({ sign }) => sign()],
  [
    'an ES256 token',
    ({ sign, published }) => sign({}, { alg: 'ES256', kid: 'ec' }, published.ec?.privateKey),
  ],
  ['a token without a key id', ({ sign }) => sign({}, { kid: undefined })],
  ['a token without a type', ({ sign }) => sign({}, { typ: undefined })],
  ['a token of type JWT', ({ sign }) => sign({}, { typ: 'JWT' })],
  ['a token of type application/at+jwt', ({ sign }) => sign({}, { typ: 'application/AT+JWT' })],
  ['several audiences', ({ sign }) => sign({ aud: ['api://other', AUDIENCE] })],
  [
    'a clock that is half a minute behind',
    ({ sign }) => sign({ exp: Math.floor(Date.now() / 1000) - 25 }),
  ],
  [
    'a clock that is half a minute ahead',
    ({ sign }) => sign({ nbf: Math.floor(Date.now() / 1000) + 25 }),
  ],
  ['the scope in scp', ({ sign }) => sign({ scope: undefined, scp: 'jobs:read' })],
  ['the scope in a list', ({ sign }) => sign({ scope: undefined, scp: ['other', 'jobs:read'] })],
  [
    'the scope as a permission',
    ({ sign }) => sign({ scope: 'openid', permissions: ['jobs:read'] }),
  ],
  ['the scope as a role', ({ sign }) => sign({ scope: undefined, roles: ['jobs:read'] })],
  ['ignored headers', ({ sign }) => sign({}, { jku: 'http://127.0.0.1:1/', x5t: 'x' })],
]
for (const [name, token] of good) {
  t.test(`accepts ${name}, also from the cache`, async (t) => {
    const { ask, testIssuer } = await start(t)
    const text = await token(testIssuer)
    t.equal((await ask(text)).status, 200)
    t.equal((await ask(text)).status, 200)
  })
}

t.test('accepts the scheme Bearer in any case, followed by spaces', async (t) => {
  const { get, testIssuer } = await start(t)
  const token = await testIssuer.sign()
  for (const authorization of [`bearer ${token}`, `BEARER   ${token}`]) {
    t.equal((await get(PATH, { authorization })).status, 200)
  }
})

t.test('challenges a request without a token, without an error code', async (t) => {
  const { get, testIssuer } = await start(t)
  const token = await testIssuer.sign()
  const without: [path: string, headers: Record<string, string>][] = [
    [PATH, {}],
    [PATH, { authorization: 'Basic eDp5' }],
    [PATH, { cookie: `access_token=${token}` }],
    [`${PATH}?access_token=${token}`, {}],
    [PATH, { 'x-authorization': `Bearer ${token}` }],
  ]
  for (const [path, headers] of without) {
    const answer = await get(path, headers)
    t.match(answer, { status: 401, body: { code: 'unauthenticated' } })
    t.equal(answer.headers.get('www-authenticate'), NO_TOKEN)
  }
})

t.test('protects all paths below /jobs, in any spelling, and no others', async (t) => {
  const { url, get, ask, testIssuer, simulator } = await start(t)
  const etag = (await ask(await testIssuer.sign())).headers.get('etag') ?? ''
  const reads = simulator.cdf.requests.length
  const guarded = [
    PATH,
    `/%6aobs/${JOB_ID}/quality`,
    `/jobs/${JOB_ID}/%71uality`,
    `${PATH}?x=y`,
    `${PATH}#x`,
    '/jobs/nonsense/quality',
    '/jobs/',
    '/jobs/unknown',
    `${PATH}/`,
    `/jobs/${JOB_ID.toUpperCase()}/quality`,
  ]
  for (const path of guarded) t.equal((await get(path)).status, 401, path)
  t.equal((await get(PATH, { 'if-none-match': etag })).status, 401, 'no 304 either')
  t.equal((await request(`${url}${PATH}`, { method: 'HEAD' })).status, 401)
  t.equal((await request(`${url}${PATH}`, { method: 'POST' })).status, 401)
  t.equal((await get(`/jobs/${JOB_ID}/%zz`)).status, 400, 'what cannot be decoded is no path')
  for (const path of [
    '/health/live',
    '/health/ready',
    '/docs',
    '/openapi.yaml',
    '/openapi.json',
    '/problems/forbidden',
  ]) {
    t.equal((await get(path)).status, 200, path)
  }
  t.equal(simulator.cdf.requests.length, reads)
})

t.test('requires the scope as a whole word', async (t) => {
  const { ask, testIssuer, logs } = await start(t)
  for (const scope of [
    undefined,
    '',
    'jobs:rea',
    'jobs:read-all',
    'xjobs:read',
    'JOBS:READ',
    ['jobs:read other'],
    { 'jobs:read': true },
  ]) {
    const answer = await ask(await testIssuer.sign({ scope }))
    t.match(answer, { status: 403, body: { code: 'forbidden' } }, JSON.stringify(scope))
    t.equal(
      answer.headers.get('www-authenticate'),
      'Bearer realm="cdf-job-quality", error="insufficient_scope", scope="jobs:read"',
    )
  }
  t.ok(logs.some(({ msg, reason }) => msg === 'authorization failed' && reason === 'scope'))
})

t.test('accepts any scope if none is required', async (t) => {
  const { ask, testIssuer } = await start(t, { AUTH_REQUIRED_SCOPE: '' })
  t.equal((await ask(await testIssuer.sign({ scope: undefined }))).status, 200)
})

t.test('writes the reason of a rejection to the log only', async (t) => {
  const { ask, testIssuer, logs } = await start(t)
  await ask(await testIssuer.sign({ exp: 1 }))
  t.match(
    logs.find(({ msg }) => msg === 'authentication failed'),
    { reason: 'exp', address: '127.0.0.1' },
  )
})

t.test('accepts valid tokens during a key rotation', async (t) => {
  const { ask, testIssuer } = await start(t)
  const rsa = await testIssuer.sign()
  t.equal((await ask(rsa)).status, 200)
  const [oldKey, ...rest] = testIssuer.answer.keys
  testIssuer.answer.keys = rest.filter(({ kid }) => kid !== 'ec')
  const fresh = { ...testIssuer.attacker.jwk, kid: 'fresh' }
  testIssuer.answer.keys = [fresh, ...(oldKey ? [oldKey] : [])]
  const { fetches } = testIssuer
  t.equal(
    (await ask(await testIssuer.sign({}, { kid: 'fresh' }, testIssuer.attacker.privateKey))).status,
    200,
  )
  t.equal(testIssuer.fetches, fetches + 1)
  t.equal((await ask(rsa)).status, 200)
})

t.test('drops cached tokens when their key is withdrawn', async (t) => {
  const { ask, testIssuer } = await start(t)
  const token = await testIssuer.sign()
  t.equal((await ask(token)).status, 200)
  t.equal((await ask(token)).status, 200)
  testIssuer.answer.keys = testIssuer.answer.keys.filter(({ kid }) => kid !== 'rsa')
  await ask(await testIssuer.sign({}, { kid: 'unknown' }, testIssuer.attacker.privateKey))
  t.equal((await ask(token)).status, 401)
})

t.test('distinguishes the callers of one connection', async (t) => {
  const { ask, port, testIssuer, logs } = await start(t)
  const one = await testIssuer.sign({ client_id: 'one' })
  const other = await testIssuer.sign({ client_id: 'other' })
  for (const token of [one, other]) t.equal((await ask(token)).status, 200)
  const forged = `${one.slice(0, -4)}AAAA`
  const requests = [one, one, other, one, forged, one].map(
    (token) => `GET ${PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`,
  )
  const answers = await sendRaw(port, `${requests.join('\r\n')}connection: close\r\n\r\n`)
  t.strictSame(
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '200', '200', '200', '401', '200'],
  )
  const callers = logs
    .filter(({ msg }) => msg === 'request')
    .map(({ caller }) => (caller as { client: string } | undefined)?.client)
  t.strictSame(callers.slice(-6), ['one', 'one', 'other', 'one', undefined, 'one'])
})

t.test('fetches the JWKS once for many unknown keys', async (t) => {
  const { ask, testIssuer } = await start(t)
  const token = await testIssuer.sign()
  t.equal((await ask(token)).status, 200)
  const { fetches } = testIssuer
  const attacks = await Promise.all(
    Array.from({ length: 100 }, (_, number) =>
      testIssuer.sign({}, { kid: `unknown-${number}` }, testIssuer.attacker.privateKey),
    ),
  )
  const answers = await Promise.all(attacks.map((attack) => ask(attack)))
  t.ok(answers.every(({ status }) => status === 401 || status === 429))
  t.equal(testIssuer.fetches, fetches + 1)
  t.equal((await ask(token)).status, 200)
})

t.test('answers 503, never 401, without any JWKS, and recovers', async (t) => {
  const { ask, get, testIssuer, app } = await start(t, {}, ({ answer }) => {
    answer.status = 500
  })
  const token = await testIssuer.sign()
  const answer = await ask(token)
  t.match(answer, { status: 503, body: { code: 'caller-keys-unavailable' } })
  t.equal(answer.headers.get('retry-after'), '2')
  t.equal(
    (await ask(TOKEN_ATTACKS[0] ? await TOKEN_ATTACKS[0].token(testIssuer) : '')).status,
    401,
    'a malformed token is invalid without keys too',
  )
  t.match(await get('/health/ready'), { status: 503 })
  testIssuer.answer.status = 200
  await until(() => app.lifeCycle.readinessBlockers.size === 0)
  t.equal((await ask(token)).status, 200)
  t.equal((await get('/health/ready')).status, 200)
  testIssuer.answer.status = 500
  t.equal(
    (await ask(await testIssuer.sign({ sub: 'another' }))).status,
    200,
    'the last JWKS stays in use',
  )
  t.equal((await get('/health/ready')).status, 200)
})

t.test('fetches the JWKS from AUTH_JWKS_URL', async (t) => {
  const testIssuer = await startTestIssuer(t)
  const { get, simulator } = await startService(t, {
    environment: {
      AUTH_MODE: 'jwt',
      AUTH_ISSUER: 'https://idp.example',
      AUTH_AUDIENCE: AUDIENCE,
      AUTH_REQUIRED_SCOPE: '',
      AUTH_JWKS_URL: `${testIssuer.issuer}/keys`,
    },
  })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const token = await testIssuer.sign({ iss: 'https://idp.example' })
  t.equal((await get(PATH, { authorization: `Bearer ${token}` })).status, 200)
})

t.test("accepts a token of the demo's identity provider", async (t) => {
  const { get, simulator } = await startService(t, { environment: { AUTH_MODE: 'jwt' } })
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const token = await simulator.identityProvider.signCallerToken()
  t.equal((await get(PATH, { authorization: `Bearer ${token}` })).status, 200)
  const ofTheService = new Map(simulator.cdf.requests[0]?.headers).get('authorization') ?? ''
  t.equal((await get(PATH, { authorization: ofTheService })).status, 401, "not the service's own")
})

t.test('answers 429 to an address with many failures, and accepts its valid tokens', async (t) => {
  const { ask, testIssuer } = await start(t)
  const good = await testIssuer.sign()
  const statuses = []
  for (let guess = 0; guess < 65; guess += 1) statuses.push((await ask(`guess${guess}`)).status)
  t.strictSame(new Set(statuses.slice(0, 60)), new Set([401]))
  t.strictSame(new Set(statuses.slice(60)), new Set([429]))
  const answer = await ask('one.more.guess')
  t.match(answer, { status: 429, body: { code: 'too-many-requests' } })
  const retryAfter = Number(answer.headers.get('retry-after'))
  t.ok(retryAfter > 0 && retryAfter <= 60)
  t.equal((await ask(good)).status, 200)
  t.equal(
    (await ask(await testIssuer.sign({ sub: 'another' }))).status,
    200,
    'also one that is new',
  )
})

t.test('limits each caller separately', async (t) => {
  const { ask, get, testIssuer } = await start(t, { RATE_LIMIT_PER_MINUTE: '3' })
  const tokens = await Promise.all([
    testIssuer.sign(),
    testIssuer.sign({ jti: 'x' }),
    testIssuer.sign({ sub: 'another' }),
    testIssuer.sign({ client_id: 'another' }),
  ])
  const [one = '', sameCaller = '', otherSubject = '', otherClient = ''] = tokens
  for (const token of [one, sameCaller, one]) t.equal((await ask(token)).status, 200)
  const answer = await ask(sameCaller)
  t.match(answer, { status: 429, body: { code: 'too-many-requests' } })
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  t.equal((await ask(otherSubject)).status, 200)
  t.equal((await ask(otherClient)).status, 200)
  for (let probe = 0; probe < 10; probe += 1) t.equal((await get('/health/live')).status, 200)
})

t.test(
  'limits by address without authentication, and uses X-Forwarded-For only with TRUST_PROXY',
  async (t) => {
    const ask = (service: Service, forwarded: string) =>
      service.get(PATH, { 'x-forwarded-for': forwarded })
    const direct = await startService(t, { environment: { RATE_LIMIT_PER_MINUTE: '1' } })
    t.not((await ask(direct, '10.0.0.1')).status, 429)
    t.equal((await ask(direct, '10.0.0.2')).status, 429, 'whatever the caller claims to be')
    for (const TRUST_PROXY of ['1', '127.0.0.1', '127.0.0.0/8']) {
      const proxied = await startService(t, {
        environment: { RATE_LIMIT_PER_MINUTE: '1', TRUST_PROXY },
      })
      t.not((await ask(proxied, '10.0.0.1')).status, 429, TRUST_PROXY)
      t.not((await ask(proxied, '10.0.0.2')).status, 429, TRUST_PROXY)
      t.equal((await ask(proxied, '10.0.0.9, 10.0.0.2')).status, 429, 'the last hop counts')
    }
  },
)

t.test('copies no input of a caller to the log or to headers', async (t) => {
  const { port, testIssuer, logs } = await start(t)
  const token = await testIssuer.sign({
    sub: 'x"\n{"level":60,"msg":"forged"}',
    client_id: 'a\r\nset-cookie: b\u2028c',
  })
  const raw = await sendRaw(
    port,
    `GET ${PATH}?%0d%0aset-cookie:x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\nx-request-id: a b\r\nconnection: close\r\n\r\n`,
  )
  const answer = parseRaw(raw)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('set-cookie'), null)
  t.notOk(logs.some(({ msg }) => msg === 'forged'))
  await until(() => logs.some(({ msg }) => msg === 'request'))
  t.match(
    logs.find(({ msg }) => msg === 'request'),
    { caller: { client: 'aset-cookie: bc' } },
  )
})

t.test('finds the right key among keys without an id, and ignores weak keys', async (t) => {
  const { publicKey } = await generateKeyPair('RS256', { modulusLength: 2048 })
  const other = { ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig' }
  const { ask, testIssuer } = await start(t, {}, ({ answer }) => {
    const { kid: _, ...anonymous } = answer.keys[0] ?? ({} as JWK)
    answer.keys = [{ ...other, n: 'AAAA' }, other, anonymous]
  })
  t.equal((await ask(await testIssuer.sign({}, { kid: undefined }))).status, 200)
  t.equal((await ask(await testIssuer.sign({ exp: 1 }, { kid: undefined }))).status, 401)
})

t.test('accepts valid tokens after a key was replaced under the same id', async (t) => {
  const { ask, testIssuer } = await start(t)
  t.equal((await ask(await testIssuer.sign())).status, 200)
  testIssuer.answer.keys = [testIssuer.attacker.jwk]
  t.equal((await ask(await testIssuer.sign({}, {}, testIssuer.attacker.privateKey))).status, 200)
})

t.test('treats an empty JWKS as a failed fetch', async (t) => {
  const { ask, testIssuer } = await start(t)
  const token = await testIssuer.sign()
  t.equal((await ask(token)).status, 200)
  testIssuer.answer.keys = []
  await ask(await testIssuer.sign({}, { kid: 'unknown' }, testIssuer.attacker.privateKey))
  t.equal((await ask(token)).status, 200, 'the last good ones stay')

  const empty = await start(t, {}, ({ answer }) => {
    answer.keys = []
  })
  t.match(await empty.ask(await empty.testIssuer.sign()), {
    status: 503,
    body: { code: 'caller-keys-unavailable' },
  })
})

t.test('counts the failures of an IPv6 /64 network together', async (t) => {
  const { get } = await start(t, { TRUST_PROXY: '1' })
  const statuses = new Set<number>()
  for (let host = 1; host <= 70; host += 1) {
    const address = `2001:db8:1:2::${host.toString(16)}`
    const answer = await get(PATH, { authorization: 'Bearer guess', 'x-forwarded-for': address })
    statuses.add(answer.status)
  }
  t.strictSame(statuses, new Set([401, 429]))
})

t.test('limits callers without the scope too', async (t) => {
  const { ask, testIssuer } = await start(t, { RATE_LIMIT_PER_MINUTE: '2' })
  const token = await testIssuer.sign({ scope: 'other' })
  const statuses = []
  for (let call = 0; call < 3; call += 1) statuses.push((await ask(token)).status)
  t.strictSame(statuses, [403, 403, 429])
})
