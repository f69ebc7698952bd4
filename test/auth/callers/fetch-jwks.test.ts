import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import { fetchJwks } from '../../../src/auth/callers/fetch-jwks.ts'
import { startServer } from '../../support/local-server.ts'

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
  return (source: { issuer?: string; jwksUrl?: string } = {}) =>
    fetchJwks({
      issuer: `${origin}${source.issuer ?? ''}`,
      ...(source.jwksUrl && { jwksUrl: `${origin}${source.jwksUrl}` }),
      timeoutMs: 200,
      dispatcher,
    })
}

const NO_RESPONSE = Symbol('no response')
const RSA = { kty: 'RSA', kid: 'a', use: 'sig', n: 'x'.repeat(342), e: 'AQAB' }
const KEYS = { keys: [RSA] }
const DISCOVERY = '/.well-known/openid-configuration'

t.test(
  'finds the JWKS URL in the discovery document, with and without a trailing slash in the issuer',
  async (t) => {
    const fetch = await startIssuer(t, {
      [`/realm${DISCOVERY}`]: (origin) => ({
        issuer: `${origin}/realm/`,
        jwks_uri: `${origin}/keys`,
      }),
      '/keys': () => ({ ...KEYS, extra: true }),
    })
    t.strictSame(await fetch({ issuer: '/realm' }), KEYS)
    t.strictSame(await fetch({ issuer: '/realm/' }), KEYS)
  },
)

t.test('keeps only the asymmetric signing keys of a JWKS', async (t) => {
  const others = [
    { kty: 'oct', k: 'x' },
    { ...RSA, use: 'enc' },
    { ...RSA, n: 'AAAA' },
  ]
  const signingKeys = [RSA, { kty: 'EC', crv: 'P-256' }, { kty: 'OKP', crv: 'Ed25519' }]
  const fetch = await startIssuer(t, { '/keys': () => ({ keys: [...others, ...signingKeys] }) })
  t.strictSame(await fetch({ jwksUrl: '/keys' }), { keys: signingKeys })
})

t.test('fetches no discovery document if the JWKS URL is configured', async (t) => {
  const fetch = await startIssuer(t, { '/keys': () => KEYS })
  t.strictSame(await fetch({ jwksUrl: '/keys' }), KEYS)
})

const invalid: [name: string, responses: Record<string, (origin: string) => unknown>][] = [
  ['a missing discovery document', {}],
  ['a discovery document that is not JSON', { [DISCOVERY]: () => '<html>' }],
  ['a discovery document that is null', { [DISCOVERY]: () => 'null' }],
  [
    'the discovery document of another issuer',
    { [DISCOVERY]: (origin) => ({ issuer: 'https://idp.example', jwks_uri: `${origin}/keys` }) },
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
  ['an issuer that does not respond', { [DISCOVERY]: () => NO_RESPONSE }],
]
for (const [name, responses] of invalid) {
  t.test(`rejects ${name}`, async (t) => {
    const fetch = await startIssuer(t, responses)
    await t.rejects(fetch())
  })
}

t.test('rejects an issuer with 120,000 slashes', async (t) => {
  const fetch = await startIssuer(t, {
    [DISCOVERY]: (origin) => ({
      issuer: `${origin}${'/'.repeat(120_000)}x`,
      jwks_uri: `${origin}/keys`,
    }),
  })
  await t.rejects(fetch(), { message: /^the discovery document of .* names another issuer: / })
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
    'an issuer that is no URL only as such',
    { [DISCOVERY]: () => ({ issuer: 'secret' }) },
    'the discovery document of http://HOST names another issuer: no URL',
  ],
  ['host and status', {}, 'HOST answered with status 404'],
  ['the host of a response that is not JSON', { [DISCOVERY]: () => '<html>' }, 'HOST is not JSON'],
  ['the host of a JWKS without keys', { '/keys': () => ({}) }, 'HOST has no key for signatures'],
  ['the host that does not respond', { [DISCOVERY]: () => NO_RESPONSE }, 'HOST did not respond'],
]
for (const [name, responses, message] of messages) {
  t.test(`the message of a failure names ${name}`, async (t) => {
    const fetch = await startIssuer(t, responses)
    const error = await fetch('/keys' in responses ? { jwksUrl: '/keys' } : {}).catch(
      (error: Error) => error,
    )
    t.ok(error instanceof Error)
    t.match(String(error).replaceAll(/127\.0\.0\.1:\d+/g, 'HOST'), message)
  })
}
