import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { assertProblem } from '../support/assert-problem.ts'
import { JOB_ID } from '../support/fixtures.ts'
import { startService } from '../support/start-service.ts'
import { AUDIENCE, startTestIssuer } from '../support/test-issuer.ts'

async function start(t: Test) {
  const testIssuer = await startTestIssuer(t)
  const service = await startService(t, {
    environment: { AUTH_MODE: 'jwt', AUTH_ISSUER: testIssuer.issuer, AUTH_AUDIENCE: AUDIENCE },
  })
  service.simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const getWith = (token: string, headers: Record<string, string> = {}) =>
    service.quality(JOB_ID, { authorization: `Bearer ${token}`, ...headers })
  return { ...service, testIssuer, getWith }
}

t.test('accepts a token with 200 groups beside other large headers', async (t) => {
  const { testIssuer, getWith } = await start(t)
  const groups = Array.from({ length: 200 }, () => randomUUID())
  const token = await testIssuer.sign({ groups })
  t.ok(token.length > 10_000)
  for (const way of ['verified', 'cached', 'cached for the connection'])
    t.equal((await getWith(token, { cookie: `a=${'b'.repeat(12_000)}` })).status, 200, way)
})

t.test(
  'accepts a token of nearly 16 KiB, and says in the log that a longer one is too long',
  async (t) => {
    const { testIssuer, getWith, logs } = await start(t)
    const token = await testIssuer.sign({ padding: 'x'.repeat(11_700) })
    t.ok(token.length > 16_000 && token.length <= 16 * 1024, String(token.length))
    t.equal((await getWith(token)).status, 200)
    const longer = await testIssuer.sign({ padding: 'x'.repeat(12_100) })
    t.ok(longer.length > 16 * 1024 && longer.length < 17_000, String(longer.length))
    assertProblem(t, await getWith(longer), 401, 'unauthenticated')
    t.match(
      logs.filter(({ msg }) => msg === 'authentication failed'),
      [{ reason: 'longer than 16 KiB' }],
    )
  },
)

t.test('answers a token that exceeds the header limit with headers-too-large', async (t) => {
  const { testIssuer, getWith } = await start(t)
  const token = await testIssuer.sign({ padding: 'x'.repeat(24_600) })
  assertProblem(t, await getWith(token), 431, 'headers-too-large')
})
