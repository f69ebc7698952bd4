import { generateKeyPairSync } from 'node:crypto'
import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import packageJson from '../../../package.json' with { type: 'json' }
import { fetchJwks } from '../../../src/auth/callers/fetch-jwks.ts'
import { httpAgent } from '../../../src/http/agent.ts'
import { startServer } from '../../support/local-server.ts'
import { answeringOnce } from '../../support/stale-connections.ts'

/** Starts an issuer with a response for each path. Returns `fetchJwks` for it. */
async function startIssuer(t: Test, responses: Record<string, (origin: string) => unknown>) {
  const origin = await startServer(t, (request, response) => {
    const body = responses[request.url ?? '']?.(origin)
    if (body === NO_RESPONSE) return
    response.statusCode = body === undefined ? 404 : 200
    response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
  })
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.destroy())
  const fetch = (source: { issuer?: string; jwksUrl?: string; timeoutMs?: number } = {}) =>
    fetchJwks({
      issuer: `${origin}${source.issuer ?? ''}`,
      ...(source.jwksUrl && { jwksUrl: `${origin}${source.jwksUrl}` }),
      timeoutMs: source.timeoutMs ?? 10_000,
      dispatcher,
    })
  return { origin, fetch }
}

const NO_RESPONSE = Symbol('no response')
const RSA = {
  ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
  kid: 'a',
}
const KEYS = [RSA]
const DISCOVERY = '/.well-known/openid-configuration'

t.test(
  'finds JWKS URL and issuer in the discovery document, with and without a trailing slash in the configured issuer',
  async (t) => {
    for (const issuer of ['/realm', '/realm/']) {
      const { origin, fetch } = await startIssuer(t, {
        [`/realm${DISCOVERY}`]: (origin) => ({
          issuer: `${origin}${issuer}`,
          jwks_uri: `${origin}/keys?a=b`,
        }),
        '/keys?a=b': () => ({ keys: KEYS, extra: true }),
      })
      const expected = { issuer: `${origin}${issuer}`, keys: KEYS }
      t.strictSame(await fetch({ issuer: '/realm' }), expected)
      t.strictSame(await fetch({ issuer: '/realm/' }), expected)
    }
  },
)

const accessTokenIssuers: [name: string, value: unknown, issuer: string | undefined][] = [
  [
    'another name',
    'http://adfs.example/adfs/services/trust',
    'http://adfs.example/adfs/services/trust',
  ],
  ['null', null, undefined],
  ['a number', 1, undefined],
]
for (const [name, value, issuer] of accessTokenIssuers) {
  t.test(
    `takes the issuer of access tokens from access_token_issuer, which is ${name}`,
    async (t) => {
      const { origin, fetch } = await startIssuer(t, {
        [DISCOVERY]: (origin) => ({
          issuer: origin,
          access_token_issuer: value,
          jwks_uri: `${origin}/keys`,
        }),
        '/keys': () => ({ keys: KEYS }),
      })
      t.strictSame(await fetch(), { issuer: issuer ?? origin, keys: KEYS })
    },
  )
}

t.test('fetches discovery document and JWKS although pooled connections are lost', async (t) => {
  const origin = await startServer(
    t,
    answeringOnce((request, response) => {
      const metadata = { issuer: `http://${request.headers.host}`, jwks_uri: `${origin}/keys` }
      response.end(JSON.stringify(request.url === '/keys' ? { keys: KEYS } : metadata))
    }),
  )
  const dispatcher = httpAgent({ connections: 1 })
  t.teardown(() => dispatcher.destroy())
  const fetch = () => fetchJwks({ issuer: origin, timeoutMs: 2000, dispatcher })
  t.strictSame(await fetch(), { issuer: origin, keys: KEYS })
  t.strictSame(await fetch(), { issuer: origin, keys: KEYS })
})

t.test('sends its user-agent, and accepts bodies that begin with a byte order mark', async (t) => {
  const agents: unknown[] = []
  const origin = await startServer(t, ({ url, headers }, response) => {
    agents.push(headers['user-agent'])
    const metadata = { issuer: origin, jwks_uri: `${origin}/keys` }
    response.end(`\ufeff${JSON.stringify(url === '/keys' ? { keys: KEYS } : metadata)}`)
  })
  const dispatcher = httpAgent()
  t.teardown(() => dispatcher.destroy())
  t.strictSame(await fetchJwks({ issuer: origin, timeoutMs: 2000, dispatcher }), {
    issuer: origin,
    keys: KEYS,
  })
  t.strictSame(agents, Array(2).fill(`cdf-job-quality/${packageJson.version}`))
})

t.test('uses http for discovery document and JWKS of an allowed host', async (t) => {
  const origin = await startServer(t, ({ url }, response) => {
    const metadata = { issuer: httpHost, jwks_uri: `${httpHost}/keys` }
    response.end(JSON.stringify(url === '/keys' ? { keys: KEYS } : metadata))
  })
  // This address leads to the loopback interface, but is none of it.
  const httpHost = origin.replace('127.0.0.1', '0.0.0.0')
  const dispatcher = httpAgent()
  t.teardown(() => dispatcher.destroy())
  const source = { issuer: httpHost, timeoutMs: 2000, dispatcher }
  t.strictSame(await fetchJwks({ ...source, insecureHttpHosts: ['0.0.0.0'] }), {
    issuer: httpHost,
    keys: KEYS,
  })
  await t.rejects(fetchJwks({ ...source, insecureHttpHosts: ['idp'] }), /no URL with https/)
})

t.test('keeps only the usable keys of a JWKS', async (t) => {
  const others = [null, 'x', { kty: 'oct', k: 'x' }, { ...RSA, use: 'enc' }, { kty: 'quantum' }]
  const { origin, fetch } = await startIssuer(t, {
    '/keys': () => ({ keys: [...others, { ...RSA, use: 'sig' }] }),
  })
  t.strictSame(await fetch({ jwksUrl: '/keys' }), { issuer: origin, keys: KEYS })
})

t.test('fetches no discovery document if the JWKS URL is configured', async (t) => {
  const { origin, fetch } = await startIssuer(t, { '/keys?appid=x': () => ({ keys: KEYS }) })
  t.strictSame(await fetch({ issuer: '/any/', jwksUrl: '/keys?appid=x' }), {
    issuer: `${origin}/any/`,
    keys: KEYS,
  })
})

const invalid: [name: string, responses: Record<string, (origin: string) => unknown>][] = [
  ['a missing discovery document', {}],
  ['a discovery document that is not JSON', { [DISCOVERY]: () => '<html>' }],
  ['a discovery document that is null', { [DISCOVERY]: () => 'null' }],
  [
    'the discovery document of another issuer',
    { [DISCOVERY]: (origin) => ({ issuer: 'https://idp.example', jwks_uri: `${origin}/keys` }) },
  ],
  [
    'a discovery document without issuer',
    { [DISCOVERY]: (origin) => ({ jwks_uri: `${origin}/keys` }), '/keys': () => ({ keys: KEYS }) },
  ],
  ['a discovery document without jwks_uri', { [DISCOVERY]: (origin) => ({ issuer: origin }) }],
  [
    'a JWKS URL with http on another host',
    { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: 'http://idp.example/keys' }) },
  ],
  [
    'a JWKS URL with the scheme file',
    { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: 'file:///etc/passwd' }) },
  ],
  [
    'a missing JWKS',
    { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/nowhere` }) },
  ],
  [
    'a JWKS without the member keys',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/empty` }),
      '/empty': () => ({}),
    },
  ],
  [
    'a JWKS of more than 1 MiB',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/large` }),
      '/large': () => ({ keys: ['x'.repeat(1024 * 1024)] }),
    },
  ],
  [
    'a JWKS with no keys',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/none` }),
      '/none': () => ({ keys: [] }),
    },
  ],
  [
    'a JWKS without signing keys',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/unusable` }),
      '/unusable': () => ({
        keys: [null, 'x', { kty: 'oct', k: 'x' }, { ...RSA, use: 'enc' }, { ...RSA, n: 'AAAA' }],
      }),
    },
  ],
]
for (const [name, responses] of invalid) {
  t.test(`rejects ${name}`, async (t) => {
    const { fetch } = await startIssuer(t, responses)
    await t.rejects(fetch())
  })
}

t.test('rejects an issuer that does not respond in time', async (t) => {
  const { fetch } = await startIssuer(t, { [DISCOVERY]: () => NO_RESPONSE })
  await t.rejects(fetch({ timeoutMs: 50 }), {
    message: /^127\.0\.0\.1:\d+ did not respond in time$/,
  })
})

t.test('sends no request for discovery over plain HTTP, except to a loopback host', async (t) => {
  const dispatcher = new Agent({
    connect: () => t.fail('a connection'),
  })
  t.teardown(() => dispatcher.destroy())
  for (const issuer of ['http://idp.example/realm', 'urn:example:issuer']) {
    await t.rejects(fetchJwks({ issuer, timeoutMs: 200, dispatcher }), {
      message: 'the issuer has no URL with https: for discovery',
    })
  }
})

const messages: [
  name: string,
  responses: Record<string, (origin: string) => unknown>,
  message: string,
][] = [
  [
    'the expected and the received issuer',
    { [DISCOVERY]: () => ({ issuer: 'https://user:secret@idp.example/other?secret' }) },
    'the discovery document of http://HOST names another issuer: https://idp.example/other',
  ],
  [
    'the first 255 characters of a received issuer',
    { [DISCOVERY]: () => ({ issuer: `https://idp.example${'/'.repeat(120_000)}x` }) },
    `names another issuer: https://idp.example${'/'.repeat(236)}`,
  ],
  [
    'an issuer that is no URL only as such',
    { [DISCOVERY]: () => ({ issuer: 'secret' }) },
    'the discovery document of http://HOST names another issuer: no URL',
  ],
  ['host and status', {}, 'HOST answered with status 404'],
  [
    'the host of a response that is not JSON',
    { [DISCOVERY]: () => '<html>' },
    'HOST is not a JSON object',
  ],
  ['the host of a JWKS without keys', { '/keys': () => ({}) }, 'HOST has no key for signatures'],
  ['the host that does not respond', { [DISCOVERY]: () => NO_RESPONSE }, 'HOST did not respond'],
]
for (const [name, responses, message] of messages) {
  t.test(`the message of a failure names ${name}`, async (t) => {
    const { fetch } = await startIssuer(t, responses)
    const error = await fetch('/keys' in responses ? { jwksUrl: '/keys' } : {}).catch(
      (error: Error) => error,
    )
    t.ok(error instanceof Error)
    t.match(String(error).replaceAll(/127\.0\.0\.1:\d+/g, 'HOST'), message)
  })
}
