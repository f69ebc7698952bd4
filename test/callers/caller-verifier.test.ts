import { createLocalJWKSet } from 'jose/jwks/local'
import type { Test } from 'tap'
import t from 'tap'
import { CallerVerifier } from '../../src/callers/caller-verifier.ts'
import { AUDIENCE, startForge } from './forge.ts'

/** A verifier with the forge's keys in hand, and connections to show tokens by. */
async function setUp(t: Test) {
  const forge = await startForge(t)
  const keySet = () => createLocalJWKSet({ keys: forge.answer.keys })
  const keys = {
    now: keySet(),
    held: () => keys.now,
    get: async () => keys.now,
    refetch: async () => undefined,
  }
  const startMs = Date.now()
  const clock = { nowMs: startMs }
  const verifier = new CallerVerifier({
    keys,
    issuer: forge.issuer,
    audience: AUDIENCE,
    wallNow: () => clock.nowMs,
  })
  const goAfter = (seconds: number) => {
    clock.nowMs = startMs + 1000 * seconds
  }
  /** The header of a token that came once before: as the door does, it is looked for first. */
  const shown = async (claims: Record<string, unknown> = {}) => {
    const token = await forge.sign(claims)
    const header = `Bearer ${token}`
    t.equal(verifier.remembered(header, {}), undefined)
    await verifier.verify(token)
    return header
  }
  return {
    ...{ forge, verifier, startMs, goAfter, shown, connection: {} },
    replaceKeys: () => {
      keys.now = keySet()
    },
  }
}

t.test('remembers whose a verified token is, by whatever connection it comes', async (t) => {
  const { forge, verifier, shown, connection } = await setUp(t)
  const header = await shown({ client_id: 'one' })
  t.equal(verifier.remembered(undefined, connection), undefined)
  t.equal(verifier.remembered(`Bearer ${await forge.sign()}`, connection), undefined)
  for (const by of [connection, connection, {}]) {
    t.equal(verifier.remembered(header, by)?.clientId, 'one')
  }
  t.equal(verifier.remembered(header.replace('Bearer', 'bearer  '), connection)?.clientId, 'one')
  t.equal(verifier.remembered(header.replace('Bearer', 'Basic'), connection), undefined)
  t.equal(verifier.remembered(`${header}x`, connection), undefined)
})

t.test('goes by the header that a connection shows now, not by the one before', async (t) => {
  const { verifier, shown, connection } = await setUp(t)
  const headers = [await shown({ client_id: 'one' }), await shown({ client_id: 'two' })]
  t.strictSame(
    [...headers, ...headers].map((header) => verifier.remembered(header, connection)?.clientId),
    ['one', 'two', 'one', 'two'],
  )
  t.equal(verifier.remembered(undefined, connection), undefined)
})

t.test('forgets a token when it ends, and knows it not before it begins', async (t) => {
  const { verifier, startMs, goAfter, shown, connection } = await setUp(t)
  const nowSeconds = Math.floor(startMs / 1000)
  const header = await shown({ nbf: nowSeconds, exp: nowSeconds + 100 })
  t.ok(verifier.remembered(header, connection))
  goAfter(-32)
  t.equal(verifier.remembered(header, connection), undefined, 'more than 30 s too early')
  goAfter(128)
  t.ok(verifier.remembered(header, connection), 'the tolerance')
  goAfter(131)
  t.equal(verifier.remembered(header, connection), undefined, 'more than 30 s too late')
})

t.test('forgets all tokens when the keys change, also what connections have shown', async (t) => {
  const { verifier, shown, connection, replaceKeys } = await setUp(t)
  const header = await shown()
  t.ok(verifier.remembered(header, connection))
  replaceKeys()
  t.equal(verifier.remembered(header, connection), undefined)
  t.equal(verifier.remembered(header, {}), undefined)
})
