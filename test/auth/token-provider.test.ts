import type { Test } from 'tap'
import t from 'tap'
import type { TokenGrant } from '../../src/auth/token-provider.ts'
import { TokenProvider } from '../../src/auth/token-provider.ts'
import { ProxyError } from '../../src/problem.ts'
import { FakeClock } from '../helper.ts'

/** A provider whose exchanges end when the test says so. */
function controlled() {
  const clock = new FakeClock()
  const exchanges: PromiseWithResolvers<TokenGrant>[] = []
  const reported: unknown[] = []
  const tokens = new TokenProvider({
    exchange: () => {
      const exchange = Promise.withResolvers<TokenGrant>()
      exchanges.push(exchange)
      return exchange.promise
    },
    now: clock.now,
    onExchange: (outcome) => reported.push(outcome),
  })
  const grant = (expiresInSeconds?: number) => {
    exchanges.at(-1)?.resolve({ accessToken: `token-${exchanges.length}`, expiresInSeconds })
  }
  const refuse = (error: unknown) => exchanges.at(-1)?.reject(error)
  const first = async (expiresInSeconds?: number) => {
    const token = tokens.get()
    grant(expiresInSeconds)
    return token
  }
  return { clock, tokens, exchanges, reported, grant, refuse, first }
}

/** Lets everything that is already settled take its course. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

const rejectsWith = (t: Test, promise: Promise<unknown>, code: string) =>
  t.rejects(promise, { name: 'ProxyError', code })

t.test('shares one exchange among concurrent callers', async (t) => {
  const { tokens, exchanges, grant } = controlled()
  const all = Promise.all(Array.from({ length: 100 }, () => tokens.get()))
  grant(3600)
  const values = new Set((await all).map(({ value }) => value))
  t.strictSame([...values], ['token-1'])
  t.equal(exchanges.length, 1)
})

const renewals: [name: string, lifetime: number | undefined, renewedBeforeEnd: number][] = [
  ['an hour: six minutes before the end', 3600, 360],
  ['a day: a tenth', 86_400, 8640],
  ['five minutes: one minute', 300, 60],
  ['one minute: half', 60, 30],
  ['ten seconds: half', 10, 5],
  ['no lifetime given: as for five minutes', undefined, 60],
  ['an absurd lifetime: as for a day', 1e12, 8640],
  ['no number: as for five minutes', Number.NaN, 60],
]
for (const [name, lifetime, beforeEnd] of renewals) {
  t.test(`renews in the background (${name})`, async (t) => {
    const { clock, tokens, exchanges, grant, first } = controlled()
    const old = await first(lifetime)
    const lifetimeMs = old.expiresAtMs - clock.nowMs
    clock.advance(lifetimeMs - beforeEnd * 1000 - 1)
    t.equal(await tokens.get(), old)
    t.equal(exchanges.length, 1, 'not before its time')
    clock.advance(1)
    t.equal(await tokens.get(), old, 'requests go on with the old one')
    t.equal(await tokens.get(), old)
    t.equal(exchanges.length, 2, 'one exchange')
    grant(3600)
    await settle()
    t.equal((await tokens.get()).value, 'token-2')
  })
}

t.test('counts the lifetime from before the exchange', async (t) => {
  const { clock, tokens, grant } = controlled()
  const token = tokens.get()
  const askedAtMs = clock.nowMs
  clock.advance(2000)
  grant(100)
  t.equal((await token).expiresAtMs, askedAtMs + 100_000)
})

t.test('never uses a token that has ended', async (t) => {
  const { clock, tokens, exchanges, grant, first } = controlled()
  await first(100)
  clock.advance(100_000)
  const next = tokens.get()
  t.equal(exchanges.length, 2)
  grant(100)
  t.equal((await next).value, 'token-2')
})

t.test('uses a token without lifetime once', async (t) => {
  const { tokens, exchanges, first } = controlled()
  t.equal((await first(0)).value, 'token-1')
  tokens.get().catch(() => {})
  t.equal(exchanges.length, 2)
})

t.test(
  'goes on with the old token while the renewal fails, and tries again after five seconds',
  async (t) => {
    const { clock, tokens, exchanges, refuse, reported, first } = controlled()
    const old = await first(100)
    clock.advance(60_000)
    t.equal(await tokens.get(), old)
    refuse(new ProxyError('identity-provider-unavailable'))
    await settle()
    t.equal(await tokens.get(), old)
    t.equal(exchanges.length, 2, 'not at once')
    t.equal(reported.length, 2, 'the failure is reported')
    clock.advance(5_000)
    t.equal(await tokens.get(), old)
    t.equal(exchanges.length, 3)
  },
)

t.test(
  'drops exactly the token that was refused, so that parallel refusals make one exchange',
  async (t) => {
    const { tokens, exchanges, grant, first } = controlled()
    const refused = await first(3600)
    const replays = Promise.all(
      Array.from({ length: 100 }, () => {
        tokens.invalidate(refused)
        return tokens.get()
      }),
    )
    grant(3600)
    const [next] = await replays
    t.equal(exchanges.length, 2)
    tokens.invalidate(refused)
    t.equal(await tokens.get(), next, 'a late refusal of the old token leaves the new one alone')
    t.equal(exchanges.length, 2)
  },
)

t.test('does not turn endless refusals by CDF into endless exchanges', async (t) => {
  const { clock, tokens, exchanges, grant, first } = controlled()
  let token = await first(3600)
  for (let refusal = 0; refusal < 50; refusal += 1) {
    tokens.invalidate(token)
    const next = tokens.get()
    grant(3600)
    token = await next
  }
  t.equal(exchanges.length, 11)
  clock.advance(30_000)
  tokens.invalidate(token)
  tokens.get().catch(() => {})
  t.equal(exchanges.length, 12, 'it goes on half a minute later')
})

t.test('asks no more than once in 30 s after a refusal of the client', async (t) => {
  const { clock, tokens, exchanges, refuse, grant } = controlled()
  const refused = tokens.get()
  refuse(new ProxyError('identity-provider-rejected'))
  await rejectsWith(t, refused, 'identity-provider-rejected')
  clock.advance(29_999)
  await rejectsWith(t, tokens.get(), 'identity-provider-rejected')
  t.equal(exchanges.length, 1)
  clock.advance(1)
  const next = tokens.get()
  t.equal(exchanges.length, 2)
  grant(3600)
  t.equal((await next).value, 'token-2', 'it heals by itself')
})

t.test('asks again at once after one failure, and ever more slowly after several', async (t) => {
  const { clock, tokens, exchanges, refuse, grant } = controlled()
  const fail = async () => {
    const failed = tokens.get()
    refuse(new ProxyError('identity-provider-unavailable'))
    await rejectsWith(t, failed, 'identity-provider-unavailable')
  }
  await fail()
  for (const waitMs of [0, 100, 200, 400, 800, 1600, 2000, 2000]) {
    clock.advance(Math.max(0, waitMs - 1))
    const { length } = exchanges
    if (waitMs > 0) await rejectsWith(t, tokens.get(), 'identity-provider-unavailable')
    t.equal(exchanges.length, length, `not before ${waitMs} ms`)
    clock.advance(waitMs > 0 ? 1 : 0)
    await fail()
    t.equal(exchanges.length, length + 1)
  }
  clock.advance(2000)
  const next = tokens.get()
  grant(3600)
  t.match(await next, { value: /^token-/ })
})

t.test('says how long there is to wait', async (t) => {
  const { clock, tokens, refuse } = controlled()
  const refused = tokens.get()
  refuse(new ProxyError('identity-provider-rejected'))
  t.match(await refused.catch((error: unknown) => error), { retryAfterSeconds: 30 })
  clock.advance(20_500)
  t.match(await tokens.get().catch((error: unknown) => error), { retryAfterSeconds: 10 })
})

t.test('waits as long as the identity provider asks for', async (t) => {
  const { clock, tokens, exchanges, refuse } = controlled()
  const failed = tokens.get()
  refuse(new ProxyError('identity-provider-unavailable', { retryAfterSeconds: 7 }))
  await rejectsWith(t, failed, 'identity-provider-unavailable')
  clock.advance(6_999)
  await rejectsWith(t, tokens.get(), 'identity-provider-unavailable')
  t.equal(exchanges.length, 1)
  clock.advance(1)
  tokens.get().catch(() => {})
  t.equal(exchanges.length, 2)
})

t.test('lets a caller leave without ending the exchange for the others', async (t) => {
  const { tokens, exchanges, grant } = controlled()
  const caller = new AbortController()
  const leaving = tokens.get(caller.signal)
  const staying = tokens.get()
  caller.abort()
  await rejectsWith(t, leaving, 'identity-provider-unavailable')
  await rejectsWith(t, tokens.get(AbortSignal.abort()), 'identity-provider-unavailable')
  grant(3600)
  t.equal((await staying).value, 'token-1')
  t.equal(exchanges.length, 1)
})
