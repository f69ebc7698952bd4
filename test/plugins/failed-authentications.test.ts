import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'
import { AUDIENCE, startTestIssuer } from '../support/test-issuer.ts'
import { until } from '../support/wait.ts'

const PATH = `/jobs/${JOB_ID}/quality`
/** Failures of one address per minute that get a 401. */
const MAX_FAILURES = 60

/** The service with a fake clock, behind one proxy. */
async function start(t: Test) {
  const testIssuer = await startTestIssuer(t)
  const service = await startService(t, {
    clock: 'fake',
    environment: {
      AUTH_MODE: 'jwt',
      AUTH_ISSUER: testIssuer.issuer,
      AUTH_AUDIENCE: AUDIENCE,
      TRUST_PROXY: '1',
      LOG_LEVEL: 'info',
    },
  })
  service.simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  await until(() => service.app.lifeCycle.readinessBlockers.size === 0)
  const getWith = (token: string, forwardedFor = '192.0.2.1') =>
    service.get(PATH, { authorization: `Bearer ${token}`, 'x-forwarded-for': forwardedFor })
  /** Sends guesses from addresses that are made of a number, and counts the responses by status. */
  const guess = async (times: number, forwardedFor = (_number: number) => '192.0.2.1') => {
    const statuses: Record<number, number> = {}
    for (let number = 1; number <= times; number += 1) {
      const { status } = await getWith('guess', forwardedFor(number))
      statuses[status] = (statuses[status] ?? 0) + 1
    }
    return statuses
  }
  const linesOf = (name: string) => service.logs.filter(({ msg }) => msg === name)
  return { ...service, testIssuer, getWith, guess, linesOf }
}

t.test('counts failures above the limit in one log line per minute', async (t) => {
  const { app, clock, testIssuer, getWith, guess, linesOf } = await start(t)
  t.strictSame(await guess(75), { 401: MAX_FAILURES, 429: 15 })
  clock.advance(20_000)
  const answer = await getWith('guess')
  assertProblem(t, answer, 429, 'too-many-requests')
  t.equal(answer.headers.get('retry-after'), '40', 'the seconds until the window ends')
  t.equal((await getWith(await testIssuer.sign())).status, 200, 'a valid token still passes')
  await until(() => linesOf('request').some(({ status }) => status === 200))
  t.equal(linesOf('authentication failed').length, MAX_FAILURES)
  t.strictSame(
    linesOf('request').filter(({ status }) => status === 429),
    [],
    'no access log line for each request',
  )
  t.equal(linesOf('request').length, MAX_FAILURES + 1)
  t.match(await app.metrics.text(), /status="429",mode="plain"\} 16$/m, 'metrics count all')
  t.equal(linesOf('too many failed authentications').length, 0)
  clock.advance(40_000)
  t.match(linesOf('too many failed authentications'), [
    { level: 40, address: '192.0.2.1', failures: 76 },
  ])
  t.strictSame(await guess(1), { 401: 1 })
  clock.advance(60_000)
  t.equal(linesOf('too many failed authentications').length, 1)
})

t.test('reports the failures when the service stops', async (t) => {
  const { app, guess, linesOf } = await start(t)
  await guess(MAX_FAILURES + 1)
  await app.close()
  t.match(linesOf('too many failed authentications'), [{ failures: MAX_FAILURES + 1 }])
})

t.test('looks up no key for a token with wrong claims', async (t) => {
  const { testIssuer, getWith } = await start(t)
  /** An unknown key id causes a fetch of the JWKS when the signature is checked. */
  const signWithUnknownKey = (claims: Record<string, unknown>) =>
    testIssuer.sign(claims, { kid: 'unknown' }, testIssuer.attacker.privateKey)
  const { fetches } = testIssuer
  for (const claims of [{ aud: 'other' }, { iss: 'https://other.example' }, { exp: 1 }])
    t.equal((await getWith(await signWithUnknownKey(claims))).status, 401)
  t.equal(testIssuer.fetches, fetches, 'no signature check')
  t.equal((await getWith(await signWithUnknownKey({}))).status, 401)
  t.equal(testIssuer.fetches, fetches + 1)
})

t.test('logs the expected and the received issuer or audience of a refused token', async (t) => {
  const { testIssuer, getWith, linesOf, logs } = await start(t)
  const { issuer, sign, attacker } = testIssuer
  const refused: [token: string, fields: object][] = [
    [
      await sign({ iss: `${issuer}/`, sub: 'secret-subject' }),
      { reason: 'iss', expected: issuer, received: `${issuer}/` },
    ],
    [
      await sign({ aud: ['api://other', 'x\r\n\u2028y'], email: 'secret-address' }),
      { reason: 'aud', expected: AUDIENCE, received: 'api://other xy' },
    ],
    [await sign({ iss: undefined }), { reason: 'iss', expected: issuer, received: undefined }],
    [
      await sign({ iss: 'https://other.example' }, {}, attacker.privateKey),
      { reason: 'iss', expected: issuer, received: 'https://other.example' },
    ],
    [
      await sign({}, {}, attacker.privateKey),
      {
        reason: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
        expected: undefined,
        received: undefined,
      },
    ],
  ]
  for (const [token] of refused) assertProblem(t, await getWith(token), 401, 'unauthenticated')
  t.strictSame(
    linesOf('authentication failed').map(({ reason, expected, received }) => ({
      ...{ reason, expected, received },
    })),
    refused.map(([, fields]) => fields),
  )
  t.notMatch(JSON.stringify(logs), /secret|eyJ/, 'no token and no other claim')
})

t.test('logs at most 200 characters of a claim', async (t) => {
  const { testIssuer, getWith, linesOf } = await start(t)
  await getWith(await testIssuer.sign({ aud: 'x'.repeat(10_000) }))
  t.equal(String(linesOf('authentication failed')[0]?.received), 'x'.repeat(200))
})

t.test('counts failures of an address together, whatever its port and form', async (t) => {
  const { guess, clock, linesOf } = await start(t)
  const forms = (number: number) =>
    [`192.0.2.1:${number}`, `[::ffff:192.0.2.1]:${number}`, '::ffff:c000:201', '192.0.2.1'][
      number % 4
    ] ?? ''
  t.strictSame(await guess(64, forms), { 401: MAX_FAILURES, 429: 4 })
  clock.advance(60_000)
  t.match(linesOf('too many failed authentications'), [{ address: '192.0.2.1', failures: 64 }])
})

t.test('counts a text that is no address under the address of the socket', async (t) => {
  const { guess, clock, linesOf, logs } = await start(t)
  const text = (number: number) => `${number}`.padEnd(15_000, 'x')
  t.strictSame(await guess(64, text), { 401: MAX_FAILURES, 429: 4 })
  clock.advance(60_000)
  t.match(linesOf('too many failed authentications'), [{ address: '127.0.0.1', failures: 64 }])
  t.notMatch(JSON.stringify(logs), 'xxx')
})
