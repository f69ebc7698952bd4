import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import { CLIENTS } from '../../simulator/identity-provider.ts'
import { startSimulator } from '../../simulator/start-simulator.ts'
import type { ClientCredentialsOptions } from '../../src/auth/client-credentials.ts'
import { clientCredentialsExchange } from '../../src/auth/client-credentials.ts'
import { ProxyError } from '../../src/problem.ts'
import { fixtureFault, fixtureText } from '../helper.ts'

const SECRET = 'a secret that must not be seen'

function exchangeWith(
  t: Test,
  options: Partial<ClientCredentialsOptions> & Pick<ClientCredentialsOptions, 'server'>,
) {
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  return clientCredentialsExchange({
    clientId: CLIENTS.client_secret_post,
    authentication: { method: 'client_secret_post', readSecret: async () => SECRET },
    timeoutMs: 2000,
    dispatcher: agent,
    ...options,
  })
}

/** A token endpoint that answers what it is told and keeps what it was asked. */
async function startTokenEndpoint(
  t: Test,
  answer: { status: number; headers?: Record<string, string>; body?: unknown },
) {
  const requests: { request: IncomingMessage; body: URLSearchParams }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests.push({ request, body: new URLSearchParams(body) })
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const tokenUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/token`)
  return { server: { tokenUrl }, requests }
}

/** The problem that an exchange ends with; nothing of it may show a secret, a token or what the other side said. */
async function failureOf(t: Test, exchange: () => Promise<unknown>): Promise<ProxyError> {
  const error = await exchange().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ProxyError)) throw new Error('expected a ProxyError', { cause: error })
  t.notMatch(inspect(error, { depth: 20, showHidden: true }), /a secret that|FAKE|AADSTS|Trace ID/)
  return error
}

for (const method of ['client_secret_post', 'client_secret_basic', 'private_key_jwt'] as const) {
  t.test(`gets a token with ${method} from a real identity provider`, async (t) => {
    const simulator = await startSimulator({ lifetimeSeconds: 1234 })
    t.teardown(() => simulator.close())
    const { clientSecret, clientKeyPem } = simulator.identityProvider
    const grant = await exchangeWith(t, {
      server: { tokenUrl: new URL(`${simulator.issuer}/token`) },
      clientId: CLIENTS[method],
      authentication:
        method === 'private_key_jwt'
          ? { method, readKey: async () => clientKeyPem }
          : { method, readSecret: async () => clientSecret },
    })()
    t.equal(grant.expiresInSeconds, 1234)
    t.equal(decodeJwt(grant.accessToken).aud, simulator.url)
  })
}

for (const suffix of ['', '/']) {
  t.test(
    `discovers the token endpoint of an issuer written with "${suffix}" at its end`,
    async (t) => {
      const simulator = await startSimulator()
      t.teardown(() => simulator.close())
      const exchange = exchangeWith(t, {
        server: { issuer: new URL(`${simulator.issuer}${suffix}`) },
        authentication: {
          method: 'client_secret_post',
          readSecret: async () => simulator.identityProvider.clientSecret,
        },
      })
      t.ok((await exchange()).accessToken)
      t.ok((await exchange()).accessToken)
      t.equal(simulator.identityProvider.exchanges, 2)
    },
  )
}

t.test('discovers an issuer that ends with a slash of its own', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, { status: 200 })
  const { origin } = server.tokenUrl
  const metadata = { issuer: `${origin}/realm/`, token_endpoint: `${origin}/token` }
  const idp = await startTokenEndpoint(t, { status: 200, body: metadata })
  // The issuer must be on the server that names it, so that the address is put in afterwards.
  metadata.issuer = `${idp.server.tokenUrl.origin}/realm/`
  await failureOf(
    t,
    exchangeWith(t, { server: { issuer: new URL(`${idp.server.tokenUrl.origin}/realm`) } }),
  )
  t.equal(requests[0]?.request.url, '/token', 'the discovered endpoint was asked')
})

t.test('takes no token endpoint with plain http to somewhere else', async (t) => {
  const metadata = { issuer: '', token_endpoint: 'http://idp.example/token' }
  const { server } = await startTokenEndpoint(t, { status: 200, body: metadata })
  metadata.issuer = server.tokenUrl.origin
  const error = await failureOf(
    t,
    exchangeWith(t, { server: { issuer: new URL(server.tokenUrl.origin) } }),
  )
  t.equal(error.code, 'identity-provider-unavailable')
})

t.test('asks for a failed discovery anew', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const exchange = exchangeWith(t, {
    server: { issuer: new URL(simulator.issuer) },
    authentication: {
      method: 'client_secret_post',
      readSecret: async () => simulator.identityProvider.clientSecret,
    },
  })
  simulator.identityProvider.faults.next({ status: 404, body: 'no' })
  t.equal((await failureOf(t, exchange)).code, 'identity-provider-unavailable')
  t.ok((await exchange()).accessToken)
})

t.test('reads a rotated secret at the next exchange', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  const secrets = ['old', 'new']
  const exchange = exchangeWith(t, {
    server,
    authentication: { method: 'client_secret_post', readSecret: async () => secrets.shift() ?? '' },
  })
  await exchange()
  await exchange()
  t.strictSame(
    requests.map(({ body }) => body.get('client_secret')),
    ['old', 'new'],
  )
})

t.test('sends what RFC 6749 asks for and what was configured', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  await exchangeWith(t, { server, scope: 'a b', audience: 'https://cdf.example' })()
  t.strictSame(Object.fromEntries(requests[0]?.body ?? []), {
    grant_type: 'client_credentials',
    client_id: CLIENTS.client_secret_post,
    client_secret: SECRET,
    scope: 'a b',
    audience: 'https://cdf.example',
  })
  await exchangeWith(t, { server })()
  t.strictSame([...(requests[1]?.body.keys() ?? [])].sort(), [
    'client_id',
    'client_secret',
    'grant_type',
  ])
})

t.test('signs an assertion for the token endpoint', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await exchangeWith(t, {
    server,
    authentication: { method: 'private_key_jwt', readKey: async () => pem },
  })()
  const assertion = requests[0]?.body.get('client_assertion') ?? ''
  t.match(decodeProtectedHeader(assertion), { alg: 'RS256' })
  t.match(decodeJwt(assertion), {
    aud: server.tokenUrl.href,
    iss: CLIENTS.client_secret_post,
    sub: CLIENTS.client_secret_post,
  })
})

t.test('names the certificate beside the key, by which Entra ID finds it', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = readFileSync(
    new URL('../fixtures/client-certificate.pem', import.meta.url),
    'utf8',
  )
  const pem = `${privateKey.export({ type: 'pkcs8', format: 'pem' })}${certificate}`
  await exchangeWith(t, {
    server,
    authentication: { method: 'private_key_jwt', readKey: async () => pem },
  })()
  const thumbprint = (algorithm: string) =>
    createHash(algorithm).update(new X509Certificate(certificate).raw).digest('base64url')
  t.match(decodeProtectedHeader(requests[0]?.body.get('client_assertion') ?? ''), {
    alg: 'ES256',
    x5t: thumbprint('sha1'),
    'x5t#S256': thumbprint('sha256'),
  })
})

const granted: [file: string, expiresIn: number | undefined][] = [
  ['token-entra-200.json', 3599],
  ['token-entra-v1-200.json', 3599],
  ['token-auth0-200.json', 86_400],
  ['token-keycloak-200.json', 300],
  ['token-no-expires-in-200.json', undefined],
]
for (const [file, expiresIn] of granted) {
  t.test(`reads ${file}`, async (t) => {
    const { server } = await startTokenEndpoint(t, { status: 200, body: fixtureText(file) })
    t.equal((await exchangeWith(t, { server })()).expiresInSeconds, expiresIn)
  })
}

const failures: [
  name: string,
  answer: Parameters<typeof startTokenEndpoint>[1],
  code: string,
  retryAfter?: number,
][] = [
  [
    'an unknown client',
    fixtureFault('token-error-401-invalid-client.json') as { status: number },
    'identity-provider-rejected',
  ],
  [
    'a wrong scope',
    fixtureFault('token-error-400-invalid-scope.json') as { status: number },
    'identity-provider-rejected',
  ],
  [
    'a challenge',
    fixtureFault('token-error-401-challenge.json') as { status: number },
    'identity-provider-rejected',
  ],
  ['a refusal without a body', { status: 403, body: '' }, 'identity-provider-rejected'],
  ['an outage', { status: 503, body: 'sorry' }, 'identity-provider-unavailable'],
  [
    'a temporary outage in the words of OAuth',
    { status: 400, body: { error: 'temporarily_unavailable' } },
    'identity-provider-unavailable',
  ],
  [
    'throttling',
    { status: 429, headers: { 'retry-after': '7' }, body: { error: 'slow_down' } },
    'identity-provider-unavailable',
    7,
  ],
  [
    'throttling without JSON',
    { status: 429, headers: { 'retry-after': '300', 'content-type': 'text/plain' }, body: 'slow' },
    'identity-provider-unavailable',
    60,
  ],
  [
    'a redirect',
    { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' },
    'identity-provider-unavailable',
  ],
  [
    'HTML',
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
    'identity-provider-unavailable',
  ],
  [
    'JSON that ends early',
    { status: 200, body: '{"access_token":"FAKE' },
    'identity-provider-unavailable',
  ],
  ['no token', { status: 200, body: { token_type: 'Bearer' } }, 'identity-provider-unavailable'],
  [
    'a token of another type',
    { status: 200, body: { access_token: 'FAKE', token_type: 'mac' } },
    'identity-provider-unavailable',
  ],
  [
    'a token that would add a header',
    { status: 200, body: { access_token: 'FAKE\r\nx: y', token_type: 'Bearer' } },
    'identity-provider-unavailable',
  ],
  [
    'more than 1 MiB',
    { status: 200, body: `"${'FAKE'.repeat(300_000)}"` },
    'identity-provider-unavailable',
  ],
]
for (const [name, answer, code, retryAfter] of failures) {
  t.test(`makes ${code} of ${name}`, async (t) => {
    const { server } = await startTokenEndpoint(t, answer)
    const error = await failureOf(t, exchangeWith(t, { server }))
    t.equal(error.code, code)
    t.equal(error.retryAfterSeconds, retryAfter)
  })
}

t.test(
  'makes identity-provider-unavailable of silence, a lost connection and nobody there',
  async (t) => {
    const simulator = await startSimulator()
    const { faults } = simulator.identityProvider
    const server = { tokenUrl: new URL(`${simulator.issuer}/token`) }
    faults.next('hang', 'reset')
    t.equal(
      (await failureOf(t, exchangeWith(t, { server, timeoutMs: 50 }))).code,
      'identity-provider-unavailable',
    )
    t.equal((await failureOf(t, exchangeWith(t, { server }))).code, 'identity-provider-unavailable')
    await simulator.close()
    t.equal((await failureOf(t, exchangeWith(t, { server }))).code, 'identity-provider-unavailable')
  },
)

t.test('makes identity-provider-unavailable of a secret that cannot be read', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, { status: 200 })
  const error = await failureOf(
    t,
    exchangeWith(t, {
      server,
      authentication: {
        method: 'client_secret_post',
        readSecret: () => Promise.reject(new Error(SECRET)),
      },
    }),
  )
  t.equal(error.code, 'identity-provider-unavailable')
  t.equal(requests.length, 0)
})
