import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { certificateText, JOB_ID } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

t.test('logs an unknown status of CDF without control and format characters', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  const status = `Pau\u202esed\r\n\u001b[31m\u200b${'x'.repeat(1_000_000 / 2)}`
  simulator.cdf.addJob(lasting(JOB_ID, status))
  t.match(await quality(), { status: 200, body: { status: 'Unknown' } })
  const values = logs.filter(({ field }) => field === 'status').map(({ value }) => String(value))
  t.match(values, [/^Paused\[31mx+$/])
  t.ok((values[0]?.length ?? 0) <= 100)
})

t.test('logs no text of the identity provider', async (t) => {
  const { logs } = await startService(t, {
    prepare: ({ identityProvider }) => {
      identityProvider.faults.standing = {
        status: 400,
        body: JSON.stringify({ error: 'forged\u202e', error_description: 'forged' }),
      }
    },
  })
  const failure = () => logs.find(({ msg }) => msg === 'token request failed')
  await until(() => failure() !== undefined)
  t.match(failure(), {
    err: { cause: { message: /status 400, an unregistered error code$/ } },
  })
  t.notMatch(JSON.stringify(logs), 'forged')
})

t.test('serves a job whose members are 20,000 nested arrays', async (t) => {
  const { quality, simulator, logs } = await startService(t)
  const nested = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  const members = ['errorMessage', 'matcher', 'advancedJoinExternalId', 'createdTime']
  const json = members.map((name) => `"${name}":${nested}`).join()
  simulator.cdf.faults.next({
    status: 200,
    body: `{"jobId":"${JOB_ID}","status":"Failed",${json}}`,
  })
  t.match(await quality(), {
    status: 200,
    body: { status: 'Failed', errorMessage: null, matcher: null, createdAt: null },
  })
  t.notOk(logs.some(({ level }) => Number(level) >= 50))
})

t.test('logs host, OAuth error and Entra ID number of a failed token request', async (t) => {
  const { logs } = await startService(t, {
    prepare: ({ identityProvider }) => {
      const error_description = 'AADSTS7000215: Invalid client secret very-secret.'
      identityProvider.faults.standing = {
        status: 401,
        body: JSON.stringify({ error: 'invalid_client', error_description }),
      }
    },
  })
  const failed = () => logs.find(({ msg }) => msg === 'token request failed')
  await until(() => failed() !== undefined)
  t.match(failed(), {
    level: 40,
    err: {
      cause: {
        message:
          /^127\.0\.0\.1:\d+ answered the token request with status 401, invalid_client, AADSTS7000215$/,
      },
    },
  })
  t.notMatch(JSON.stringify(logs), 'very-secret')
})

t.test('logs that the client certificate has expired, and requests a token', async (t) => {
  const pem = certificateText('localhost-key') + certificateText('expired')
  const { logs, simulator } = await startService(t, {
    environment: {
      IDP_CLIENT_SECRET: '',
      IDP_CLIENT_AUTH_METHOD: 'private_key_jwt',
      IDP_CLIENT_KEY_FILE: `${t.testdir({ pem })}/pem`,
    },
  })
  await until(() => simulator.identityProvider.tokenRequests > 0)
  t.match(
    logs.find(({ msg }) => msg === 'client certificate has expired'),
    { level: 40, expiredAt: '2025-01-01T00:00:00.000Z' },
  )
})

t.test('logs the host of a failed request to CDF', async (t) => {
  const port = await freePort()
  const { logs, quality } = await startService(t, {
    environment: { CDF_URL: `http://127.0.0.1:${port}` },
  })
  t.equal((await quality()).status, 502)
  t.match(
    logs.find(({ msg }) => msg === 'CDF request'),
    { outcome: 'upstream-error', host: `127.0.0.1:${port}`, failure: 'Error ECONNREFUSED' },
  )
})
