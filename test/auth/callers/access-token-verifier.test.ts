import { createLocalJWKSet } from 'jose'
import type { Test } from 'tap'
import t from 'tap'
import { AccessTokenVerifier } from '../../../src/auth/callers/access-token-verifier.ts'
import { AUDIENCE, startTestIssuer } from '../../support/test-issuer.ts'

/** A verifier with the keys of the test issuer and a clock that the test moves. */
async function setUp(t: Test) {
  const testIssuer = await startTestIssuer(t)
  const currentKeys = () => createLocalJWKSet({ keys: testIssuer.answer.keys })
  const keys = {
    set: currentKeys(),
    current: () => keys.set,
    get: async () => keys.set,
    refetch: async () => undefined,
  }
  /** Replaces the function that looks up a key. */
  const useKeys = (lookUp: () => unknown) => {
    keys.set = Object.assign(async () => lookUp() as never, { jwks: keys.set.jwks })
  }
  const startMs = Date.now()
  const clock = { nowMs: startMs }
  const verifier = new AccessTokenVerifier({
    keys,
    issuer: testIssuer.issuer,
    audience: AUDIENCE,
    wallNow: () => clock.nowMs,
  })
  const moveTo = (seconds: number) => {
    clock.nowMs = startMs + 1000 * seconds
  }
  /** Verifies a new token and returns its `Authorization` header. */
  const verifyNew = async (claims: Record<string, unknown> = {}) => {
    const token = await testIssuer.sign(claims)
    const header = `Bearer ${token}`
    t.equal(verifier.getCached(header, {}), undefined)
    await verifier.verify(token)
    return header
  }
  return {
    ...{ testIssuer, verifier, startMs, moveTo, verifyNew, useKeys },
    replaceKeys: () => {
      keys.set = currentKeys()
    },
  }
}

t.test('returns the caller of a cached token, with the scheme in any case', async (t) => {
  const { testIssuer, verifier, verifyNew } = await setUp(t)
  const header = await verifyNew({ client_id: 'one' })
  t.equal(verifier.getCached(undefined, {}), undefined)
  t.equal(verifier.getCached(`Bearer ${await testIssuer.sign()}`, {}), undefined)
  t.equal(verifier.getCached(header, {})?.clientId, 'one')
  t.equal(verifier.getCached(header.replace('Bearer', 'bearer  '), {})?.clientId, 'one')
  t.equal(verifier.getCached(header.replace('Bearer', 'Basic'), {}), undefined)
  t.equal(verifier.getCached(`${header}x`, {}), undefined)
})

t.test(
  'returns no caller before nbf and after exp, except within the clock tolerance',
  async (t) => {
    const { verifier, startMs, moveTo, verifyNew } = await setUp(t)
    const nowSeconds = Math.floor(startMs / 1000)
    const header = await verifyNew({ nbf: nowSeconds, exp: nowSeconds + 100 })
    t.ok(verifier.getCached(header, {}))
    moveTo(-32)
    t.equal(verifier.getCached(header, {}), undefined, 'more than 30 s before nbf')
    moveTo(128)
    t.ok(verifier.getCached(header, {}), 'less than 30 s after exp')
    moveTo(131)
    t.equal(verifier.getCached(header, {}), undefined, 'more than 30 s after exp')
  },
)

t.test('drops all cached tokens when the keys change', async (t) => {
  const { verifier, verifyNew, replaceKeys } = await setUp(t)
  const header = await verifyNew()
  t.ok(verifier.getCached(header, {}))
  replaceKeys()
  t.equal(verifier.getCached(header, {}), undefined)
  t.equal(verifier.getCached(header, {}), undefined)
})

t.test('checks claims without a key', async (t) => {
  const { testIssuer, verifier, useKeys } = await setUp(t)
  useKeys(() => t.fail('a key is looked up'))
  const { attacker, issuer, sign, compact, claims } = testIssuer
  const valid = [
    await sign({}, {}, attacker.privateKey),
    await sign({ iss: `${issuer}/`, aud: ['api://other', AUDIENCE] }),
    await sign({ exp: Math.floor(Date.now() / 1000) - 25 }),
  ]
  for (const token of valid) t.doesNotThrow(() => verifier.checkClaims(token))
  const invalid: [token: string, reason: string][] = [
    [await sign({ aud: 'api://other' }), 'claims'],
    [await sign({ aud: undefined }), 'claims'],
    [await sign({ iss: 'https://other.example' }), 'claims'],
    [await sign({ exp: Math.floor(Date.now() / 1000) - 31 }), 'claims'],
    [await sign({ exp: undefined }), 'claims'],
    [compact({ alg: 'RS256' }, claims({ exp: 'tomorrow' })), 'claims'],
    [compact({ alg: 'RS256' }, 'no object'), 'malformed'],
    ['guess', 'malformed'],
    ['a.b.c', 'malformed'],
    ['', 'malformed'],
  ]
  for (const [token, reason] of invalid)
    t.throws(() => verifier.checkClaims(token), { name: 'InvalidTokenError', reason })
})
