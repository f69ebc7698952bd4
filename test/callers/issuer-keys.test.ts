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

/** Lets keepFresh go on as long as the test wants, and tells how long it meant to wait. */
function keepFresh({ clock, keys }: Pick<ReturnType<typeof controlled>, 'clock' | 'keys'>) {
  const stopped = new AbortController()
  const waits: number[] = []
  let go = () => {}
  const running = keys.keepFresh(stopped.signal, (ms) => {
    waits.push(ms)
    return new Promise((resolve) => {
      go = resolve
    })
  })
  const next = async () => {
    await settle()
    clock.advance(waits.at(-1) ?? 0)
    go()
    await settle()
  }
  const stop = async () => {
    stopped.abort()
    go()
    await running
  }
  return { waits, next, stop }
}

t.test(
  'fetches every ten minutes whether anybody asks or not, and keeps the same object for the same keys',
  async (t) => {
    const { clock, issuer, keys } = controlled()
    const { waits, next, stop } = keepFresh({ clock, keys })
    await settle()
    const first = keys.held()
    t.ok(first)
    await next()
    t.equal(keys.held(), first)
    issuer.answer = keySet('two')
    await next()
    t.not(keys.held(), first)
    t.equal(issuer.fetches, 3)
    t.strictSame(waits, [10 * MINUTE, 10 * MINUTE, 10 * MINUTE])
    await stop()
  },
)

t.test(
  'keeps the last good keys for a day of outage, asking every half minute, and then has none',
  async (t) => {
    const { clock, issuer, keys } = controlled()
    const { waits, next, stop } = keepFresh({ clock, keys })
    await settle()
    const first = keys.held()
    issuer.answer = new Error('down')
    await next()
    t.equal(waits.at(-1), 30_000)
    t.equal(keys.held(), first)
    clock.advance(24 * HOUR - 10 * MINUTE - 1)
    t.equal(keys.held(), first)
    clock.advance(1)
    t.equal(keys.held(), undefined)
    await next()
    t.equal(waits.at(-1), 1_000, 'then each second counts')
    await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
    issuer.answer = keySet('one')
    await next()
    t.ok(keys.held(), 'and heals')
    await stop()
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
