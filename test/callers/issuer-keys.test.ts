import type { JSONWebKeySet } from 'jose'
import t from 'tap'
import { IssuerKeys } from '../../src/callers/issuer-keys.ts'
import { FakeClock } from '../helper.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const keySet = (kid: string): JSONWebKeySet => ({ keys: [{ kty: 'RSA', kid, n: 'AQ', e: 'AQAB' }] })

/** Keys whose fetches end as the test says; the same set until it says otherwise. */
function controlled() {
  const clock = new FakeClock()
  const issuer: { answer: JSONWebKeySet | Error; fetches: number } = {
    answer: keySet('one'),
    fetches: 0,
  }
  const reported: unknown[] = []
  const keys = new IssuerKeys({
    fetchKeys: async () => {
      issuer.fetches += 1
      if (issuer.answer instanceof Error) throw issuer.answer
      return structuredClone(issuer.answer)
    },
    now: clock.now,
    onFetch: (outcome) => reported.push(outcome),
  })
  return { clock, issuer, keys, reported }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

t.test('fetches once for all who ask first', async (t) => {
  const { issuer, keys } = controlled()
  t.equal(keys.held(), undefined)
  const sets = await Promise.all([keys.get(), keys.get(), keys.get()])
  t.equal(new Set(sets).size, 1)
  t.equal(issuer.fetches, 1)
  t.equal(keys.held(), sets[0])
})

t.test(
  'renews in the background after ten minutes, and is the same object while the keys are the same',
  async (t) => {
    const { clock, issuer, keys } = controlled()
    const first = await keys.get()
    clock.advance(10 * MINUTE - 1)
    keys.held()
    t.equal(issuer.fetches, 1)
    clock.advance(1)
    t.equal(keys.held(), first)
    t.equal(keys.held(), first)
    t.equal(issuer.fetches, 2)
    await settle()
    t.equal(keys.held(), first)
    issuer.answer = keySet('two')
    clock.advance(10 * MINUTE)
    keys.held()
    await settle()
    t.not(keys.held(), first)
  },
)

t.test(
  'keeps the last good keys for a day of outage, asking every half minute, and then has none',
  async (t) => {
    const { clock, issuer, keys } = controlled()
    const first = await keys.get()
    issuer.answer = new Error('down')
    clock.advance(10 * MINUTE)
    for (let second = 0; second < 60; second += 1) {
      t.equal(await keys.get(), first)
      await settle()
      clock.advance(1000)
    }
    t.equal(issuer.fetches, 3)
    clock.advance(24 * HOUR - 11 * MINUTE - 1)
    t.equal(keys.held(), first)
    clock.advance(1)
    t.equal(keys.held(), undefined)
    await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
    clock.advance(30_000)
    issuer.answer = keySet('one')
    t.ok(await keys.get(), 'and heals')
  },
)

t.test('asks every second while it has no keys', async (t) => {
  const { clock, issuer, keys, reported } = controlled()
  issuer.answer = new Error('down')
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
  clock.advance(999)
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
  t.equal(issuer.fetches, 1)
  clock.advance(1)
  issuer.answer = keySet('one')
  t.ok(await keys.get())
  t.match(reported, [{ error: Error }, { keys: 1 }])
})

t.test('fetches at most every 30 s for unknown keys, whoever asks', async (t) => {
  const { clock, issuer, keys } = controlled()
  const first = await keys.get()
  t.strictSame(await Promise.all([keys.refetch(), keys.refetch(), keys.refetch()]), [
    first,
    first,
    first,
  ])
  t.equal(issuer.fetches, 2)
  clock.advance(29_999)
  t.equal(await keys.refetch(), undefined)
  clock.advance(1)
  issuer.answer = new Error('down')
  t.equal(await keys.refetch(), undefined)
  t.equal(issuer.fetches, 3)
  t.equal(keys.held(), first, 'a failure costs nothing')
})

t.test('takes nothing that is no key set', async (t) => {
  const { issuer, keys } = controlled()
  issuer.answer = { keys: 'none' } as never
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
})
