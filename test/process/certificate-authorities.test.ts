import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { fixtureText } from '../support/fixtures.ts'
import { CERTIFICATE, startTlsServer } from '../support/local-server.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

/** Starts the service with an identity provider whose certificate no public authority has issued. */
async function startService(t: Test, environment: (file: string) => Record<string, string>) {
  const origin = await startTlsServer(t, (_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(fixtureText('token-entra-200.json'))
  })
  const folder = t.testdir({ 'authority.pem': CERTIFICATE })
  return startProcess(t, ['src/server.ts'], {
    CDF_URL: 'https://cdf.example',
    CDF_PROJECT: 'demo-project',
    IDP_TOKEN_URL: `${origin}/token`,
    IDP_CLIENT_ID: 'client',
    IDP_CLIENT_SECRET: 'secret',
    AUTH_MODE: 'none',
    PORT: '0',
    METRICS_PORT: '0',
    ...environment(join(folder, 'authority.pem')),
  })
}

const trusting: [name: string, environment: (file: string) => Record<string, string>][] = [
  ['NODE_EXTRA_CA_CERTS', (file) => ({ NODE_EXTRA_CA_CERTS: file })],
  [
    'NODE_USE_SYSTEM_CA',
    (file) => ({ NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: file, SSL_CERT_DIR: '/nowhere' }),
  ],
]
for (const [name, environment] of trusting) {
  const skip =
    name === 'NODE_USE_SYSTEM_CA' &&
    process.platform !== 'linux' &&
    'the store of this operating system is not a file'
  t.test(`trusts the certificate authorities of ${name}`, { skip }, async (t) => {
    const { output } = await startService(t, environment)
    await until(() => output.stdout.includes('access token obtained'))
    t.notMatch(output.stdout, 'token request failed')
  })
}

t.test('names the reason if a certificate authority is not trusted', async (t) => {
  const { output } = await startService(t, () => ({}))
  await until(() => output.stdout.includes('token request failed'))
  const line = output.stdout.split('\n').find((text) => text.includes('token request failed'))
  t.match(JSON.parse(line ?? ''), {
    err: { cause: { message: /DEPTH_ZERO_SELF_SIGNED_CERT/ } },
  })
})
