import type { Test } from 'tap'
import t from 'tap'
import { AccessTokenVerifier } from '../../../src/auth/callers/access-token-verifier.ts'
import { KeySet } from '../../../src/auth/callers/key-set.ts'
import { AUDIENCE, startTestIssuer } from '../../support/test-issuer.ts'

/** A verifier with the keys of the test issuer and a clock that the test moves. */
async function setUp(t: Test) {
  const testIssuer = await startTestIssuer(t)
  let signatureChecks = 0
  class CountingKeySet extends KeySet {
    override verify(...args: Parameters<KeySet['verify']>) {
      signatureChecks += 1
      return super.verify(...args)
    }
  }
  const currentKeys = () =>
    new CountingKeySet({ issuer: testIssuer.issuer, keys: testIssuer.answer.keys })
  const keys = {
    set: currentKeys(),
    current: () => keys.set,
    get: async () => keys.set,
    refetch: async () => undefined,
  }
  const startMs = Date.now()
  const clock = { nowMs: startMs }
  const verifier = new AccessTokenVerifier({
    keys,
    audiences: [AUDIENCE],
    audienceClaim: 'aud',
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
    ...{ testIssuer, verifier, startMs, moveTo, verifyNew },
    signatureChecks: () => signatureChecks,
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
  const connection = {}
  const header = await verifyNew()
  t.ok(verifier.getCached(header, connection))
  replaceKeys()
  t.equal(verifier.getCached(header, connection), undefined)
  t.equal(verifier.getCached(header, connection), undefined)
})

t.test('does not cache the result of old keys when the keys change meanwhile', async (t) => {
  const { testIssuer, verifier, replaceKeys } = await setUp(t)
  const token = await testIssuer.sign()
  const verification = verifier.verify(token)
  // The verification has begun with the old keys.
  await new Promise((resolve) => process.nextTick(resolve))
  replaceKeys()
  t.equal(verifier.getCached(`Bearer ${token}`, {}), undefined)
  await verification
  t.equal(verifier.getCached(`Bearer ${token}`, {}), undefined)
})

t.test('caches long tokens too', async (t) => {
  const { verifier, verifyNew } = await setUp(t)
  const connection = {}
  const header = await verifyNew({ padding: 'x'.repeat(8_000) })
  t.ok(verifier.getCached(header, connection))
  t.ok(verifier.getCached(header, connection))
})

t.test('checks the signature once for concurrent calls with one token', async (t) => {
  const { testIssuer, verifier, replaceKeys, signatureChecks } = await setUp(t)
  const [token, other] = await Promise.all([testIssuer.sign(), testIssuer.sign({ jti: 'other' })])
  const tokens = [...Array.from({ length: 256 }, () => token), other]
  await Promise.all(tokens.map((one) => verifier.verify(one)))
  t.equal(signatureChecks(), 2)
  replaceKeys()
  await Promise.all(tokens.map((one) => verifier.verify(one)))
  t.equal(signatureChecks(), 4, 'once more with new keys')
})

t.test('shares the error of concurrent calls with one token, and forgets it', async (t) => {
  const { testIssuer, verifier, signatureChecks } = await setUp(t)
  const forged = await testIssuer.sign({}, {}, testIssuer.attacker.privateKey)
  const error = { name: 'InvalidTokenError', reason: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }
  await Promise.all([1, 2, 3].map(() => t.rejects(verifier.verify(forged), error)))
  t.equal(signatureChecks(), 1)
  await t.rejects(verifier.verify(forged), error)
  t.equal(signatureChecks(), 2)
})

t.test('checks no signature of a token with wrong claims', async (t) => {
  const { testIssuer, verifier, signatureChecks } = await setUp(t)
  const claims = [
    ['iss', { iss: 'https://other.example' }],
    ['aud', { aud: 'api://other' }],
    ['exp', { exp: 1 }],
    ['not an access token: at_hash', { at_hash: 'x' }],
  ] as const
  for (const [reason, wrong] of claims)
    await t.rejects(verifier.verify(await testIssuer.sign(wrong)), {
      name: 'InvalidTokenError',
      reason,
    })
  t.equal(signatureChecks(), 0)
})

t.test('names the reason of a malformed or otherwise unusable token', async (t) => {
  const { testIssuer, verifier } = await setUp(t)
  const { sign, compact, claims } = testIssuer
  const reasons: [token: string, reason: string][] = [
    ['guess', 'no compact JWS'],
    ['a.b.c', 'malformed'],
    [compact({ alg: 'RS256' }, 'no object'), 'malformed'],
    [compact('no object', claims()), 'ERR_JWS_INVALID'],
    [await sign({ padding: 'x'.repeat(12_300) }), 'longer than 16 KiB'],
    [await sign({ nbf: Math.floor(Date.now() / 1000) + 100 }), 'nbf'],
    [await sign({}, { typ: 'logout+jwt' }), 'typ'],
    [await sign({}, { kid: 'unknown' }), 'ERR_JWKS_NO_MATCHING_KEY'],
  ]
  for (const [token, reason] of reasons)
    await t.rejects(verifier.verify(token), { name: 'InvalidTokenError', reason }, reason)
})
