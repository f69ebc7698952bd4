import t from 'tap'
import { certificateText } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { startService } from '../support/start-service.ts'
import { until } from '../support/wait.ts'

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
