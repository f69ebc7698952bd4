import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
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
import { readCredential } from '../../../src/credentials/credential-file.ts'
import { CLIENT_SECRET_FILE } from '../../../src/credentials/secret-file.ts'
import { SIGNING_KEY_FILE } from '../../../src/credentials/signing-key-file.ts'
import { ProblemError } from '../../../src/problems/problem.ts'
import { certificateText, fixtureFault, fixtureText } from '../../support/fixtures.ts'
import { freePort, startServer } from '../../support/local-server.ts'

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

/** The error of a token request. Asserts that it contains no secret, no token and no free text of the response. */
async function failureOf(t: Test, requestToken: () => Promise<unknown>): Promise<ProblemError> {
  const error = await requestToken().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof ProblemError)) throw new Error('expected a ProblemError', { cause: error })
  t.notMatch(
    inspect(error, { depth: 20, showHidden: true }),
    /a-client-secret|FAKE|Trace ID|description/,
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
          ? { method, readKey: async () => SIGNING_KEY_FILE.parse(clientKeyPem) }
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
    authentication: {
      method: 'private_key_jwt',
      readKey: async () => SIGNING_KEY_FILE.parse(pem),
    },
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
    const certificate = certificateText('localhost')
    const pem = certificateText('other') + certificateText('localhost-key') + certificate
    await tokenRequester(t, {
      server,
      authentication: {
        method: 'private_key_jwt',
        readKey: async () => SIGNING_KEY_FILE.parse(pem),
      },
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
    t.equal(error.ownRetryAfterSeconds, retryAfterSeconds)
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

/** Starts a token endpoint with a response of these members in addition to a token. */
const startWithMembers = (t: Test, members: Record<string, unknown>) =>
  startTokenEndpoint(t, {
    status: 200,
    body: { access_token: 'FAKE', token_type: 'Bearer', expires_in: 3599, ...members },
  })

const tolerated: [name: string, members: Record<string, unknown>, expiresIn?: number][] = [
  ['null members', { refresh_token: null, scope: null, id_token: null, state: null }, 3599],
  ['members of other types', { refresh_token: 1, scope: ['a'], error: null }, 3599],
  ['an id_token that is no JWT', { id_token: 'broken' }, 3599],
  ['an id_token of another issuer', { id_token: 'eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.' }, 3599],
  ['token_type in capital letters', { token_type: 'BEARER' }, 3599],
  ['no token_type', { token_type: undefined }, 3599],
  ['a token_type of null', { token_type: null }, 3599],
  ['an expires_in in decimal text', { expires_in: '3599' }, 3599],
  ['an expires_in with a fraction', { expires_in: 3598.5 }, 3598.5],
  ['an expires_in of 0', { expires_in: 0 }, 0],
  ['a negative expires_in', { expires_in: -3600 }, 0],
  ['an expires_in of null', { expires_in: null }],
  ['an empty expires_in', { expires_in: '' }],
  ['an expires_in that is no number', { expires_in: 'soon' }],
  ['an expires_in that is an object', { expires_in: {} }],
]
for (const [name, members, expiresInSeconds] of tolerated) {
  t.test(`accepts a token with ${name}`, async (t) => {
    const { server } = await startWithMembers(t, members)
    t.strictSame(await tokenRequester(t, { server })(), { accessToken: 'FAKE', expiresInSeconds })
  })
}

t.test('accepts a token in a response with a byte order mark or another media type', async (t) => {
  const body = `\ufeff${fixtureText('token-entra-200.json')}`
  const headers = { 'content-type': 'text/plain' }
  const { server } = await startTokenEndpoint(t, { status: 200, headers, body })
  t.equal((await tokenRequester(t, { server })()).expiresInSeconds, 3599)
})

/** The message of the cause of a failure, which the log shows, without the port of the test server. */
async function causeOf(t: Test, requestToken: () => Promise<unknown>): Promise<string> {
  const { cause } = await failureOf(t, requestToken)
  return cause instanceof Error ? cause.message.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST') : ''
}

const entra = (error: string, description: string) => ({
  status: 401,
  headers: { 'www-authenticate': 'Basic realm="x", error="description of a challenge"' },
  body: { error, error_description: description, error_codes: [7000215] },
})
const causes: [
  name: string,
  response: Parameters<typeof startTokenEndpoint>[1],
  message: string,
][] = [
  [
    'the OAuth error and the number of Entra ID, also beside a challenge',
    entra('invalid_client', 'AADSTS7000215: Invalid client secret provided. Trace ID: 1'),
    'HOST answered the token request with status 401, invalid_client, AADSTS7000215',
  ],
  [
    'no number that is not at the beginning of the description, or too long',
    entra('invalid_scope', 'AADSTS70000000000000011: a description'),
    'HOST answered the token request with status 401, invalid_scope',
  ],
  [
    'no unregistered code',
    entra('a-client-secret', 'a description with AADSTS70011'),
    'HOST answered the token request with status 401, an unregistered error code',
  ],
  [
    'only the status of a page',
    { status: 503, headers: { 'content-type': 'text/html' }, body: '<p>description' },
    'HOST answered the token request with status 503',
  ],
  [
    'the OAuth error of a response with status 200',
    { status: 200, body: { error: 'invalid_client' } },
    'HOST answered the token request with status 200, OAUTH_INVALID_RESPONSE, invalid_client',
  ],
  [
    'a response that is not JSON',
    { status: 200, body: '<html>' },
    'HOST answered the token request with status 200, without a JSON object',
  ],
  [
    'a token that is not one',
    { status: 200, body: { access_token: 'FAKE x', token_type: 'Bearer' } },
    'HOST answered the token request with status 200, without a valid bearer token',
  ],
]
for (const [name, response, message] of causes) {
  t.test(`the cause of a failure names ${name}`, async (t) => {
    const { server } = await startTokenEndpoint(t, response)
    t.equal(await causeOf(t, tokenRequester(t, { server })), message)
  })
}

t.test('the cause of a failure names host, port and code of a connection failure', async (t) => {
  const tokenUrl = new URL(`http://127.0.0.1:${await freePort()}/token`)
  t.equal(
    await causeOf(t, tokenRequester(t, { server: { tokenUrl } })),
    'connection to HOST failed: ECONNREFUSED',
  )
})

t.test('the cause of a failed discovery names the expected and the received issuer', async (t) => {
  const answered = async (issuer: unknown) => {
    const idp = await startTokenEndpoint(t, { status: 200, body: { issuer } })
    const expected = new URL(`${idp.server.tokenUrl.origin}/realm`)
    return causeOf(t, tokenRequester(t, { server: { issuer: expected } }))
  }
  t.equal(
    await answered('https://user:FAKE@idp.example/other?FAKE#FAKE'),
    'the discovery document of http://HOST/realm names another issuer: https://idp.example/other',
  )
  t.match(await answered(`https://idp.example/${'x'.repeat(5000)}`), /x{200}$/)
  t.ok((await answered(`https://idp.example/${'x'.repeat(5000)}`)).length < 400)
})

t.test('the cause of a failed discovery says that it was the discovery', async (t) => {
  const idp = await startTokenEndpoint(t, { status: 404, body: '' })
  t.equal(
    await causeOf(t, tokenRequester(t, { server: { issuer: idp.server.tokenUrl } })),
    'HOST answered the discovery with status 404',
  )
})

t.test('reports an expired certificate before the token request, and sends it', async (t) => {
  const { server, requests } = await startWithMembers(t, {})
  const pem = certificateText('localhost-key') + certificateText('expired')
  const expired: string[] = []
  const requestToken = tokenRequester(t, {
    server,
    authentication: {
      method: 'private_key_jwt',
      readKey: async () => SIGNING_KEY_FILE.parse(pem),
    },
    onExpiredCertificate: (expiredAt) => {
      t.equal(requests.length, 0)
      expired.push(expiredAt)
    },
  })
  t.ok((await requestToken()).accessToken)
  t.strictSame(expired, ['2025-01-01T00:00:00.000Z'])
})

t.test('a credential file that cannot be used any more is the cause of the failure', async (t) => {
  const { server, requests } = await startWithMembers(t, {})
  const folder = t.testdir({ secret: 'IDP_CLIENT_SECRET=a-client-secret' })
  const error = await failureOf(
    t,
    tokenRequester(t, {
      server,
      authentication: {
        method: 'client_secret_post',
        readSecret: () => readCredential(CLIENT_SECRET_FILE, `${folder}/secret`),
      },
    }),
  )
  t.equal(error.code, 'identity-provider-unavailable')
  t.match(error.cause, {
    message:
      'IDP_CLIENT_SECRET_FILE names a file that has a variable name before the secret: remove the name and =',
  })
  t.equal(requests.length, 0)
})
