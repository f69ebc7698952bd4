import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import packageJson from '../../../package.json' with { type: 'json' }
import { CLIENTS } from '../../../simulator/upstream/identity-provider.ts'
import { startSimulator } from '../../../simulator/upstream/start-simulator.ts'
import type { ClientCredentialsOptions } from '../../../src/auth/service/client-credentials.ts'
import { createTokenRequester } from '../../../src/auth/service/client-credentials.ts'
import { ProblemError } from '../../../src/problems/problem.ts'
import { fixtureFault, fixtureText } from '../../support/fixtures.ts'
import { startServer } from '../../support/local-server.ts'

const SECRET = 'a-client-secret'

/** Creates a function that sends a token request. */
function tokenRequester(
  t: Test,
  options: Partial<ClientCredentialsOptions> & Pick<ClientCredentialsOptions, 'server'>,
) {
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  return createTokenRequester({
    clientId: CLIENTS.client_secret_post,
    authentication: { method: 'client_secret_post', readSecret: async () => SECRET },
    timeoutMs: 2000,
    dispatcher: agent,
    ...options,
  })
}

/** Starts a token endpoint that always sends this response, and records its requests. */
async function startTokenEndpoint(
  t: Test,
  response: { status: number; headers?: Record<string, string>; body?: unknown },
) {
  const requests: { path: string | undefined; body: URLSearchParams }[] = []
  const origin = await startServer(t, async (incoming, outgoing) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    requests.push({ path: incoming.url, body: new URLSearchParams(body) })
    outgoing.writeHead(response.status, { 'content-type': 'application/json', ...response.headers })
    outgoing.end(typeof response.body === 'string' ? response.body : JSON.stringify(response.body))
  })
  return { server: { tokenUrl: new URL(`${origin}/token`) }, requests }
}

/** The error of a token request. Asserts that it contains no secret, no token and no text of the response. */
async function failureOf(t: Test, requestToken: () => Promise<unknown>): Promise<ProblemError> {
  const error = await requestToken().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ProblemError)) throw new Error('expected a ProblemError', { cause: error })
  t.notMatch(
    inspect(error, { depth: 20, showHidden: true }),
    /a-client-secret|FAKE|AADSTS|Trace ID/,
  )
  return error
}

for (const method of ['client_secret_post', 'client_secret_basic', 'private_key_jwt'] as const) {
  t.test(`gets a token from oidc-provider with ${method}`, async (t) => {
    const simulator = await startSimulator({ tokenLifetimeSeconds: 1234 })
    t.teardown(() => simulator.close())
    const { clientSecret, clientKeyPem } = simulator.identityProvider
    const grant = await tokenRequester(t, {
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

t.test('keeps the query of the token URL', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: { access_token: 'token', token_type: 'bearer' },
  })
  server.tokenUrl.search = '?p=b2c_policy'
  t.equal((await tokenRequester(t, { server })()).accessToken, 'token')
  t.match(requests, [{ path: '/token?p=b2c_policy' }])
})

for (const suffix of ['', '/']) {
  t.test(
    `discovers the token endpoint of an issuer ${suffix ? 'with' : 'without'} a trailing slash`,
    async (t) => {
      const simulator = await startSimulator()
      t.teardown(() => simulator.close())
      const requestToken = tokenRequester(t, {
        server: { issuer: new URL(`${simulator.issuer}${suffix}`) },
        authentication: {
          method: 'client_secret_post',
          readSecret: async () => simulator.identityProvider.clientSecret,
        },
      })
      t.ok((await requestToken()).accessToken)
      t.ok((await requestToken()).accessToken)
      t.equal(simulator.identityProvider.tokenRequests, 2)
    },
  )
}

t.test('discovers an issuer whose identifier ends with a slash', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, { status: 200 })
  const { origin } = server.tokenUrl
  const metadata = { issuer: `${origin}/realm/`, token_endpoint: `${origin}/token` }
  const idp = await startTokenEndpoint(t, { status: 200, body: metadata })
  // Set here, because the port of the issuer is known only now.
  metadata.issuer = `${idp.server.tokenUrl.origin}/realm/`
  await failureOf(
    t,
    tokenRequester(t, { server: { issuer: new URL(`${idp.server.tokenUrl.origin}/realm`) } }),
  )
  t.equal(requests[0]?.path, '/token', 'sends the token request to the discovered endpoint')
})

t.test('sends its user-agent, and accepts bodies that begin with a byte order mark', async (t) => {
  const agents: unknown[] = []
  const origin = await startServer(t, ({ url, headers }, response) => {
    agents.push(headers['user-agent'])
    const metadata = JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` })
    response.setHeader('content-type', 'application/json')
    response.end(`\ufeff${url === '/token' ? fixtureText('token-entra-200.json') : metadata}`)
  })
  const grant = await tokenRequester(t, { server: { issuer: new URL(origin) } })()
  t.equal(grant.expiresInSeconds, 3599)
  t.strictSame(agents, Array(2).fill(`cdf-job-quality/${packageJson.version}`))
})

t.test('rejects a discovered token endpoint with http on another host', async (t) => {
  const metadata = { issuer: '', token_endpoint: 'http://idp.example/token' }
  const { server } = await startTokenEndpoint(t, { status: 200, body: metadata })
  metadata.issuer = server.tokenUrl.origin
  const error = await failureOf(
    t,
    tokenRequester(t, { server: { issuer: new URL(server.tokenUrl.origin) } }),
  )
  t.equal(error.code, 'identity-provider-unavailable')
})

t.test('uses http for discovery and token endpoint of an allowed host', async (t) => {
  const metadata = { issuer: '', token_endpoint: '' }
  const { server, requests } = await startTokenEndpoint(t, { status: 200, body: metadata })
  // This address leads to the loopback interface, but is none of it.
  const origin = server.tokenUrl.origin.replace('127.0.0.1', '0.0.0.0')
  Object.assign(metadata, { issuer: origin, token_endpoint: `${origin}/token` })
  const options = { server: { issuer: new URL(origin) } }
  await failureOf(t, tokenRequester(t, options))
  t.equal(requests.length, 1, 'no token request to another host')
  await failureOf(t, tokenRequester(t, { ...options, insecureHttpHosts: ['0.0.0.0'] }))
  t.equal(requests.at(-1)?.path, '/token')
})

t.test('repeats a failed discovery at the next token request', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  const requestToken = tokenRequester(t, {
    server: { issuer: new URL(simulator.issuer) },
    authentication: {
      method: 'client_secret_post',
      readSecret: async () => simulator.identityProvider.clientSecret,
    },
  })
  simulator.identityProvider.faults.next({ status: 404, body: 'no' })
  t.equal((await failureOf(t, requestToken)).code, 'identity-provider-unavailable')
  t.ok((await requestToken()).accessToken)
})

t.test('reads the secret for every token request', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  const secrets = ['old', 'new']
  const requestToken = tokenRequester(t, {
    server,
    authentication: { method: 'client_secret_post', readSecret: async () => secrets.shift() ?? '' },
  })
  await requestToken()
  await requestToken()
  t.strictSame(
    requests.map(({ body }) => body.get('client_secret')),
    ['old', 'new'],
  )
})

t.test('sends the parameters of RFC 6749, scope and audience', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  await tokenRequester(t, { server, scope: 'a b', audience: 'https://cdf.example' })()
  t.strictSame(Object.fromEntries(requests[0]?.body ?? []), {
    grant_type: 'client_credentials',
    client_id: CLIENTS.client_secret_post,
    client_secret: SECRET,
    scope: 'a b',
    audience: 'https://cdf.example',
  })
  await tokenRequester(t, { server })()
  t.strictSame([...(requests[1]?.body.keys() ?? [])].sort(), [
    'client_id',
    'client_secret',
    'grant_type',
  ])
})

t.test('signs a client assertion for the token endpoint', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, {
    status: 200,
    body: fixtureText('token-entra-200.json'),
  })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await tokenRequester(t, {
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

t.test(
  'adds the thumbprints of the certificate to the client assertion, as Entra ID requires',
  async (t) => {
    const { server, requests } = await startTokenEndpoint(t, {
      status: 200,
      body: fixtureText('token-entra-200.json'),
    })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const certificate = readFileSync(
      new URL('../../fixtures/client-certificate.pem', import.meta.url),
      'utf8',
    )
    const pem = `${privateKey.export({ type: 'pkcs8', format: 'pem' })}${certificate}`
    await tokenRequester(t, {
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
  },
)

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
    t.equal((await tokenRequester(t, { server })()).expiresInSeconds, expiresIn)
  })
}

const failures: [
  name: string,
  response: Parameters<typeof startTokenEndpoint>[1],
  code: string,
  retryAfterSeconds?: number,
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
  ['a 403 without a body', { status: 403, body: '' }, 'identity-provider-rejected'],
  ['a 503', { status: 503, body: 'sorry' }, 'identity-provider-unavailable'],
  [
    'the error temporarily_unavailable',
    { status: 400, body: { error: 'temporarily_unavailable' } },
    'identity-provider-unavailable',
  ],
  [
    'a 429',
    { status: 429, headers: { 'retry-after': '7' }, body: { error: 'slow_down' } },
    'identity-provider-unavailable',
    7,
  ],
  [
    'a 429 without JSON',
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
    'truncated JSON',
    { status: 200, body: '{"access_token":"FAKE' },
    'identity-provider-unavailable',
  ],
  [
    'a response without a token',
    { status: 200, body: { token_type: 'Bearer' } },
    'identity-provider-unavailable',
  ],
  [
    'a token of another type',
    { status: 200, body: { access_token: 'FAKE', token_type: 'mac' } },
    'identity-provider-unavailable',
  ],
  [
    'a token with a line break',
    { status: 200, body: { access_token: 'FAKE\r\nx: y', token_type: 'Bearer' } },
    'identity-provider-unavailable',
  ],
  [
    'a body of more than 1 MiB',
    { status: 200, body: `"${'FAKE'.repeat(300_000)}"` },
    'identity-provider-unavailable',
  ],
]
for (const [name, response, code, retryAfterSeconds] of failures) {
  t.test(`rejects with ${code} after ${name}`, async (t) => {
    const { server } = await startTokenEndpoint(t, response)
    const error = await failureOf(t, tokenRequester(t, { server }))
    t.equal(error.code, code)
    t.equal(error.retryAfterSeconds, retryAfterSeconds)
  })
}

t.test(
  'rejects with identity-provider-unavailable after a timeout, a reset and a refused connection',
  async (t) => {
    const simulator = await startSimulator()
    const { faults } = simulator.identityProvider
    const server = { tokenUrl: new URL(`${simulator.issuer}/token`) }
    faults.next('hang', 'reset')
    t.equal(
      (await failureOf(t, tokenRequester(t, { server, timeoutMs: 50 }))).code,
      'identity-provider-unavailable',
    )
    t.equal(
      (await failureOf(t, tokenRequester(t, { server }))).code,
      'identity-provider-unavailable',
    )
    await simulator.close()
    t.equal(
      (await failureOf(t, tokenRequester(t, { server }))).code,
      'identity-provider-unavailable',
    )
  },
)

t.test('rejects with identity-provider-unavailable if the secret cannot be read', async (t) => {
  const { server, requests } = await startTokenEndpoint(t, { status: 200 })
  const error = await failureOf(
    t,
    tokenRequester(t, {
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
