import type { Test } from 'tap'
import t from 'tap'
import { type TokenGrant, TokenProvider } from '../../../src/auth/service/token-provider.ts'
import { ProblemError } from '../../../src/problems/problem.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { settle } from '../../support/wait.ts'

/** A provider with a fake clock, whose token requests the test ends with `grant` or `deny`. */
function setUp() {
  const clock = new FakeClock()
  const requests: PromiseWithResolvers<TokenGrant>[] = []
  const outcomes: unknown[] = []
  const tokens = new TokenProvider({
    requestToken: () => {
      const request = Promise.withResolvers<TokenGrant>()
      requests.push(request)
      return request.promise
    },
    now: clock.now,
    onTokenRequestEnd: (outcome) => outcomes.push(outcome),
  })
  const grant = (expiresInSeconds?: number) => {
    requests.at(-1)?.resolve({ accessToken: `token-${requests.length}`, expiresInSeconds })
  }
  const deny = (error: unknown) => requests.at(-1)?.reject(error)
  const first = async (expiresInSeconds?: number) => {
    const token = tokens.get()
    grant(expiresInSeconds)
    return token
  }
  return { clock, tokens, requests, outcomes, grant, deny, first }
}

const rejectsWith = (t: Test, promise: Promise<unknown>, code: string) =>
  t.rejects(promise, { name: 'ProblemError', code })

t.test('shares one token request among concurrent callers', async (t) => {
  const { tokens, requests, grant } = setUp()
  const all = Promise.all(Array.from({ length: 100 }, () => tokens.get()))
  grant(3600)
  const values = new Set((await all).map(({ value }) => value))
  t.strictSame([...values], ['token-1'])
  t.equal(requests.length, 1)
})

const renewals: [name: string, lifetime: number | undefined, renewedBeforeEnd: number][] = [
  ['six minutes before expiry for a lifetime of one hour', 3600, 360],
  ['a tenth before expiry for a lifetime of one day', 86_400, 8640],
  ['one minute before expiry for a lifetime of five minutes', 300, 60],
  ['after half of a lifetime of one minute', 60, 30],
  ['after half of a lifetime of 29 seconds', 29, 14.5],
  ['ten seconds after it was requested, if the lifetime is twelve seconds', 12, 2],
  ['four minutes after a response without expires_in', undefined, 60],
  ['after 0.9 days for a lifetime of more than one day', 1e12, 8640],
  ['four minutes after a response with an expires_in that is not a number', Number.NaN, 60],
]
for (const [name, lifetime, beforeEnd] of renewals) {
  t.test(`renews the token in the background ${name}`, async (t) => {
    const { clock, tokens, requests, grant, first } = setUp()
    const old = await first(lifetime)
    const lifetimeMs = old.expiresAtMs - clock.nowMs
    clock.advance(lifetimeMs - beforeEnd * 1000 - 1)
    t.equal(await tokens.get(), old)
    t.equal(requests.length, 1, 'not earlier')
    clock.advance(1)
    t.equal(await tokens.get(), old, 'requests use the old token meanwhile')
    t.equal(await tokens.get(), old)
    t.equal(requests.length, 2, 'one token request')
    grant(3600)
    await settle()
    t.equal((await tokens.get()).value, 'token-2')
  })
}

t.test('counts the lifetime from the start of the token request', async (t) => {
  const { clock, tokens, grant } = setUp()
  const token = tokens.get()
  const requestedAtMs = clock.nowMs
  clock.advance(2000)
  grant(100)
  t.equal((await token).expiresAtMs, requestedAtMs + 100_000)
})

t.test('never returns an expired token', async (t) => {
  const { clock, tokens, requests, grant, first } = setUp()
  await first(100)
  clock.advance(100_000)
  const next = tokens.get()
  t.equal(requests.length, 2)
  grant(100)
  t.equal((await next).value, 'token-2')
})

for (const lifetime of [0, -3600, 0.001, 1, 9, 10, 11, 19, 20, 29]) {
  t.test(`sends at most one token request per 10 s for an expires_in of ${lifetime}`, async (t) => {
    const { clock, tokens, requests, grant, first } = setUp()
    await first(lifetime)
    const requestedAtMs = [clock.nowMs]
    while (clock.nowMs < (requestedAtMs[0] ?? 0) + 60_000) {
      clock.advance(100)
      const { length } = requests
      const token = tokens.get()
      if (requests.length > length) requestedAtMs.push(clock.nowMs)
      grant(lifetime)
      await token
      await settle()
    }
    const intervals = requestedAtMs.slice(1).map((ms, index) => ms - (requestedAtMs[index] ?? 0))
    t.ok(intervals.length >= 2, 'renews the token')
    t.ok(Math.min(...intervals) >= 10_000, intervals.join())
  })
}

t.test('replaces a token with a short lifetime immediately if CDF rejects it', async (t) => {
  const { tokens, requests, first } = setUp()
  tokens.invalidate(await first(0))
  tokens.get().catch(() => {})
  t.equal(requests.length, 2)
})

t.test(
  'returns the old token after a failed renewal, and retries after five seconds',
  async (t) => {
    const { clock, tokens, requests, deny, outcomes, first } = setUp()
    const old = await first(100)
    clock.advance(60_000)
    t.equal(await tokens.get(), old)
    deny(new ProblemError('identity-provider-unavailable'))
    await settle()
    t.equal(await tokens.get(), old)
    t.equal(requests.length, 2, 'no retry at once')
    t.equal(outcomes.length, 2, 'reports the failure')
    clock.advance(5_000)
    t.equal(await tokens.get(), old)
    t.equal(requests.length, 3)
  },
)

t.test('sends one token request after many parallel invalidations of one token', async (t) => {
  const { tokens, requests, grant, first } = setUp()
  const rejected = await first(3600)
  const retries = Promise.all(
    Array.from({ length: 100 }, () => {
      tokens.invalidate(rejected)
      return tokens.get()
    }),
  )
  grant(3600)
  const [next] = await retries
  t.equal(requests.length, 2)
  tokens.invalidate(rejected)
  t.equal(await tokens.get(), next, 'a late invalidation of the old token keeps the new one')
  t.equal(requests.length, 2)
})

t.test('ignores more than ten invalidations in 30 s', async (t) => {
  const { clock, tokens, requests, grant, first } = setUp()
  let token = await first(3600)
  for (let count = 0; count < 50; count += 1) {
    tokens.invalidate(token)
    const next = tokens.get()
    grant(3600)
    token = await next
  }
  t.equal(requests.length, 11)
  clock.advance(30_000)
  tokens.invalidate(token)
  tokens.get().catch(() => {})
  t.equal(requests.length, 12, 'after 30 s')
})

t.test('sends at most one token request per 30 s after identity-provider-rejected', async (t) => {
  const { clock, tokens, requests, deny, grant } = setUp()
  const denied = tokens.get()
  deny(new ProblemError('identity-provider-rejected'))
  await rejectsWith(t, denied, 'identity-provider-rejected')
  clock.advance(29_999)
  await rejectsWith(t, tokens.get(), 'identity-provider-rejected')
  t.equal(requests.length, 1)
  clock.advance(1)
  const next = tokens.get()
  t.equal(requests.length, 2)
  grant(3600)
  t.equal((await next).value, 'token-2', 'recovers')
})

t.test(
  'retries immediately after one failure, and with exponential backoff after more',
  async (t) => {
    const { clock, tokens, requests, deny, grant } = setUp()
    const failOnce = async () => {
      const failed = tokens.get()
      deny(new ProblemError('identity-provider-unavailable'))
      await rejectsWith(t, failed, 'identity-provider-unavailable')
    }
    await failOnce()
    for (const waitMs of [0, 100, 200, 400, 800, 1600, 2000, 2000]) {
      clock.advance(Math.max(0, waitMs - 1))
      const { length } = requests
      if (waitMs > 0) await rejectsWith(t, tokens.get(), 'identity-provider-unavailable')
      t.equal(requests.length, length, `not before ${waitMs} ms`)
      clock.advance(waitMs > 0 ? 1 : 0)
      await failOnce()
      t.equal(requests.length, length + 1)
    }
    clock.advance(2000)
    const next = tokens.get()
    grant(3600)
    t.match(await next, { value: /^token-/ })
  },
)

t.test('sets retryAfterSeconds to the remaining delay', async (t) => {
  const { clock, tokens, deny } = setUp()
  const denied = tokens.get()
  deny(new ProblemError('identity-provider-rejected'))
  t.match(await denied.catch((error: unknown) => error), { retryAfterSeconds: 30 })
  clock.advance(20_500)
  t.match(await tokens.get().catch((error: unknown) => error), { retryAfterSeconds: 10 })
})

t.test('waits for the Retry-After of the identity provider', async (t) => {
  const { clock, tokens, requests, deny } = setUp()
  const failed = tokens.get()
  deny(new ProblemError('identity-provider-unavailable', { retryAfterSeconds: 7 }))
  await rejectsWith(t, failed, 'identity-provider-unavailable')
  clock.advance(6_999)
  await rejectsWith(t, tokens.get(), 'identity-provider-unavailable')
  t.equal(requests.length, 1)
  clock.advance(1)
  tokens.get().catch(() => {})
  t.equal(requests.length, 2)
})

t.test('continues the token request for the other callers after one aborts', async (t) => {
  const { tokens, requests, grant } = setUp()
  const caller = new AbortController()
  const leaving = tokens.get(caller.signal)
  const staying = tokens.get()
  caller.abort()
  await rejectsWith(t, leaving, 'identity-provider-unavailable')
  await rejectsWith(t, tokens.get(AbortSignal.abort()), 'identity-provider-unavailable')
  grant(3600)
  t.equal((await staying).value, 'token-1')
  t.equal(requests.length, 1)
})
