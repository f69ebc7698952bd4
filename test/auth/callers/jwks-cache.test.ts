import t from 'tap'
import { JwksCache } from '../../../src/auth/callers/jwks-cache.ts'
import type { IssuerKeys } from '../../../src/auth/callers/key-set.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { settle } from '../../support/wait.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const jwks = (kid: string, issuer = 'https://idp.example'): IssuerKeys => ({
  issuer,
  keys: [{ kty: 'RSA', kid, n: 'AQ', e: 'AQAB' }],
})

/** A cache with a fake clock, and an issuer whose response the test can replace. */
function setUp() {
  const clock = new FakeClock()
  const issuer: { response: IssuerKeys | Error; fetches: number } = {
    response: jwks('one'),
    fetches: 0,
  }
  const outcomes: unknown[] = []
  const keys = new JwksCache({
    fetchJwks: async () => {
      issuer.fetches += 1
      if (issuer.response instanceof Error) throw issuer.response
      return structuredClone(issuer.response)
    },
    now: clock.now,
    onFetch: (outcome) => outcomes.push(outcome),
  })
  return { clock, issuer, keys, outcomes }
}

t.test('shares the first fetch among concurrent callers', async (t) => {
  const { issuer, keys } = setUp()
  t.equal(keys.current(), undefined)
  const sets = await Promise.all([keys.get(), keys.get(), keys.get()])
  t.equal(new Set(sets).size, 1)
  t.equal(issuer.fetches, 1)
  t.equal(keys.current(), sets[0])
})

/** Runs `startRefreshing` with waits that the test ends; `waits` records their lengths. */
function startRefreshing({ clock, keys }: Pick<ReturnType<typeof setUp>, 'clock' | 'keys'>) {
  const stopping = new AbortController()
  const waits: number[] = []
  let endWait = () => {}
  const running = keys.startRefreshing(stopping.signal, (ms) => {
    waits.push(ms)
    return new Promise((resolve) => {
      endWait = resolve
    })
  })
  const next = async () => {
    await settle()
    clock.advance(waits.at(-1) ?? 0)
    endWait()
    await settle()
  }
  const stop = async () => {
    stopping.abort()
    endWait()
    await running
  }
  return { waits, next, stop }
}

t.test(
  'refreshes every ten minutes, and returns the same object while the keys do not change',
  async (t) => {
    const { clock, issuer, keys } = setUp()
    const { waits, next, stop } = startRefreshing({ clock, keys })
    await settle()
    const first = keys.current()
    t.ok(first)
    await next()
    t.equal(keys.current(), first)
    issuer.response = jwks('two')
    await next()
    const second = keys.current()
    t.not(second, first)
    issuer.response = jwks('two', 'https://idp.example/')
    await next()
    t.not(keys.current(), second, 'the issuer has another name')
    t.equal(keys.current()?.issuer, 'https://idp.example/')
    t.equal(issuer.fetches, 4)
    t.strictSame(new Set(waits), new Set([10 * MINUTE]))
    await stop()
  },
)

t.test(
  'keeps the last keys for 24 h of outage and retries every 30 s, then every second',
  async (t) => {
    const { clock, issuer, keys } = setUp()
    const { waits, next, stop } = startRefreshing({ clock, keys })
    await settle()
    const first = keys.current()
    issuer.response = new Error('down')
    await next()
    t.equal(waits.at(-1), 30_000)
    t.equal(keys.current(), first)
    clock.advance(24 * HOUR - 10 * MINUTE - 1)
    t.equal(keys.current(), first)
    clock.advance(1)
    t.equal(keys.current(), undefined)
    await next()
    t.equal(waits.at(-1), 1_000, 'every second without keys')
    await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
    issuer.response = jwks('one')
    await next()
    t.ok(keys.current(), 'recovers')
    await stop()
  },
)

t.test('fetches at most once per second while it has no keys', async (t) => {
  const { clock, issuer, keys, outcomes } = setUp()
  issuer.response = new Error('down')
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
  clock.advance(999)
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
  t.equal(issuer.fetches, 1)
  clock.advance(1)
  issuer.response = jwks('one')
  t.ok(await keys.get())
  t.match(outcomes, [{ error: Error }, { keys: 1 }])
})

t.test('refetches at most every 30 s for tokens with unknown keys', async (t) => {
  const { clock, issuer, keys } = setUp()
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
  issuer.response = new Error('down')
  t.equal(await keys.refetch(), undefined)
  t.equal(issuer.fetches, 3)
  t.equal(keys.current(), first, 'a failed refetch keeps the keys')
})

t.test('rejects a response that is not a JWKS', async (t) => {
  const { issuer, keys } = setUp()
  issuer.response = { keys: 'none' } as never
  await t.rejects(keys.get(), { code: 'caller-keys-unavailable' })
})
