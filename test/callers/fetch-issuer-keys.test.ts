import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { Agent } from 'undici'
import { fetchIssuerKeys } from '../../src/callers/fetch-issuer-keys.ts'

/** An issuer that answers each path with what the test says. */
async function startIssuer(t: Test, answers: Record<string, (origin: string) => unknown>) {
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? '']?.(origin)
    if (answer === 'silence') return
    response.statusCode = answer === undefined ? 404 : 200
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = new Agent()
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  return (source: { issuer?: string; jwksUrl?: string } = {}) =>
    fetchIssuerKeys({
      issuer: `${origin}${source.issuer ?? ''}`,
      ...(source.jwksUrl && { jwksUrl: `${origin}${source.jwksUrl}` }),
      timeoutMs: 200,
      dispatcher,
    })
}

const RSA = { kty: 'RSA', kid: 'a', use: 'sig', n: 'x'.repeat(342), e: 'AQAB' }
const KEYS = { keys: [RSA] }
const DISCOVERY = '/.well-known/openid-configuration'

t.test(
  'finds the keys by the discovery document, with and without a slash at the end',
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

t.test('takes the keys for signatures out of a set', async (t) => {
  const others = [
    { kty: 'oct', k: 'x' },
    { ...RSA, use: 'enc' },
    { ...RSA, n: 'AAAA' },
  ]
  const good = [RSA, { kty: 'EC', crv: 'P-256' }, { kty: 'OKP', crv: 'Ed25519' }]
  const fetch = await startIssuer(t, { '/keys': () => ({ keys: [...others, ...good] }) })
  t.strictSame(await fetch({ jwksUrl: '/keys' }), { keys: good })
})

t.test('asks for no discovery document where the keys have a URL of their own', async (t) => {
  const fetch = await startIssuer(t, { '/keys': () => KEYS })
  t.strictSame(await fetch({ jwksUrl: '/keys' }), KEYS)
})

const bad: [name: string, answers: Record<string, (origin: string) => unknown>][] = [
  ['no discovery document', {}],
  ['a discovery document that is no JSON', { [DISCOVERY]: () => '<html>' }],
  ['a discovery document that is null', { [DISCOVERY]: () => 'null' }],
  [
    'the discovery document of another issuer',
    { [DISCOVERY]: (origin) => ({ issuer: 'https://idp.example', jwks_uri: `${origin}/keys` }) },
  ],
  ['no key set URL', { [DISCOVERY]: (origin) => ({ issuer: origin }) }],
  [
    'a key set over plain http from elsewhere',
    { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: 'http://idp.example/keys' }) },
  ],
  [
    'a key set in a file',
    { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: 'file:///etc/passwd' }) },
  ],
  ['no key set', { [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/nowhere` }) }],
  [
    'a key set without keys',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/empty` }),
      '/empty': () => ({}),
    },
  ],
  [
    'a key set over 1 MiB',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/large` }),
      '/large': () => ({ keys: ['x'.repeat(1024 * 1024)] }),
    },
  ],
  [
    'an empty key set',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/none` }),
      '/none': () => ({ keys: [] }),
    },
  ],
  [
    'a key set without a key for signatures',
    {
      [DISCOVERY]: (origin) => ({ issuer: origin, jwks_uri: `${origin}/bad` }),
      '/bad': () => ({
        keys: [null, 'x', { kty: 'oct', k: 'x' }, { ...RSA, use: 'enc' }, { ...RSA, n: 'AAAA' }],
      }),
    },
  ],
  ['silence', { [DISCOVERY]: () => 'silence' }],
]
for (const [name, answers] of bad) {
  t.test(`rejects ${name}`, async (t) => {
    const fetch = await startIssuer(t, answers)
    await t.rejects(fetch())
  })
}
