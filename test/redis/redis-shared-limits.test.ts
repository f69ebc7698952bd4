import t from 'tap'
import { LimitedFleet, MAX_CALLS } from '../support/limited-fleet.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'

// The tests wait for most of their time.
t.jobs = 4
const skip = skipWithoutRedis
const options = { skip, buffered: true }
// The tests share a server, each with its own keys.
const server = skip ? undefined : await startRedis(t)
const command = (...args: string[]) => server?.command(...args) ?? Promise.resolve('')

t.test('one replica has all calls, and several share them without a rest', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const a = await fleet.join()
  t.equal(a.member.share, MAX_CALLS)
  t.equal(a.limits.replicas, 1)
  const b = await fleet.join()
  await until(() => a.member.share === 4 && b.member.share === 4)
  const c = await fleet.join()
  const shares = () => [a, b, c].map(({ member }) => member.share).sort()
  await until(() => shares().reduce((sum, share) => sum + share, 0) === MAX_CALLS)
  t.strictSame(shares(), [2, 3, 3])
  t.strictSame(
    [a, b, c].map(({ limits }) => limits.replicas),
    [3, 3, 3],
  )
})

t.test('more replicas than calls have one call each', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const members = await Promise.all([1, 2, 3].map(() => fleet.join({ max: 2 })))
  await until(() => members.every(({ member }) => member.share === 1))
  t.equal(members[0]?.limits.replicas, 3)
})

t.test('after Redis was emptied, nobody gets more until all are back', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const [a, b] = [await fleet.join(), await fleet.join()]
  await until(() => a.member.share === 4 && b.member.share === 4)
  await command('DEL', keys.replicas)
  await until(async () => (await command('HLEN', keys.replicas)) === ':2\r\n')
  t.strictSame([a.member.share, b.member.share], [4, 4])
})

t.test('while Redis is unavailable, a replica keeps its share', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const [a, b] = [await fleet.join(), await fleet.join()]
  await until(() => a.member.share === 4 && b.member.share === 4)
  a.redis.close()
  t.equal(a.member.share, 4)
  t.equal(a.limits.replicas, 2)
})

t.test(
  'a pause reaches the other replicas immediately, and later ones before they start',
  options,
  async (t) => {
    const fleet = new LimitedFleet(t, server)
    const [a, b] = [await fleet.join(), await fleet.join()]
    a.limits.pause({ coolDownMs: 9_000.5, openMs: 0 })
    await until(() => b.member.pauses.length > 0)
    t.strictSame(b.member.pauses[0], { coolDownMs: 9_001, openMs: 0 })
    b.limits.pause({ coolDownMs: 0, openMs: 5_000 })
    await until(() => a.member.pauses.some(({ openMs }) => openMs === 5_000))
    const { member } = await fleet.join()
    const [pause] = member.pauses
    t.ok(pause && pause.coolDownMs > 0 && pause.coolDownMs <= 9_001)
    t.ok(pause && pause.openMs > 0 && pause.openMs <= 5_000)
  },
)

t.test('a full Redis delivers pauses', { skip }, async (t) => {
  const full = await startRedis(t)
  const fleet = new LimitedFleet(t, full)
  const [a, b] = [await fleet.join(), await fleet.join()]
  await full.command('CONFIG', 'SET', 'maxmemory', '1')
  a.limits.pause({ coolDownMs: 9_000, openMs: 5_000 })
  await until(() => b.member.pauses.length > 0)
  t.strictSame(b.member.pauses, [{ coolDownMs: 9_000, openMs: 5_000 }])
})

t.test('a lost message about a pause is made up for within a second', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const { member } = await fleet.join()
  await command('SET', keys.coolDown, '1', 'PX', '20000')
  await until(() => member.pauses.length > 0)
  t.match(member.pauses, [{ openMs: 0 }])
})

t.test('a shorter pause does not shorten a longer one', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const a = await fleet.join()
  a.limits.pause({ coolDownMs: 30_000, openMs: 30_000 })
  a.limits.pause({ coolDownMs: 1_000, openMs: 1_000 })
  await until(async () => Number((await command('PTTL', keys.openBreaker)).slice(1)) > 0)
  for (const key of [keys.coolDown, keys.openBreaker])
    t.ok(Number((await command('PTTL', key)).slice(1)) > 10_000)
})

t.test('hostile values do not stop the fleet', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const a = await fleet.join()
  const inAMinute = String(Date.now() + 60_000)
  const soon = String(Date.now() + 2_000)
  const others = ['x', '', '8', `-8 ${soon} 0`, `8 ${inAMinute} 0`, `8 1 1`]
  for (const [index, value] of others.entries())
    await command('HSET', keys.replicas, `hostile-${index}`, value)
  await command('SET', keys.coolDown, 'for ever')
  await command('SET', keys.openBreaker, 'long', 'EX', '100000')
  for (const message of ['x y z', `x ${'9'.repeat(7)} 1`, 'x'.repeat(100_000), '', 'x 1 -1'])
    await command('SPUBLISH', keys.limits, message)
  await until(async () => (await command('HLEN', keys.replicas)) === ':1\r\n')
  await until(async () => (await command('EXISTS', keys.coolDown, keys.openBreaker)) === ':0\r\n')
  t.strictSame(a.member.pauses, [])
  t.equal(a.member.share, MAX_CALLS)
  t.equal(a.limits.replicas, 1)
  await command('SPUBLISH', keys.limits, 'x 999999 0')
  await until(() => a.member.pauses.length > 0)
  t.strictSame(a.member.pauses, [{ coolDownMs: 60_000, openMs: 0 }], 'at most a minute')
})

t.test('hostile claims do not take the share of a replica', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { member } = await fleet.join()
  for (const number of [1, 2, 3]) {
    const soon = String(Date.now() + 2_900)
    await command('HSET', fleet.keys.replicas, `hostile-${number}`, `999999 ${soon} 0`)
  }
  await until(() => member.share !== MAX_CALLS)
  t.equal(member.share, 2, 'a quarter')
})

t.test('a key of another type, or with too many entries, is replaced', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const a = await fleet.join()
  await command('SET', keys.replicas, 'x')
  await until(async () => (await command('TYPE', keys.replicas)) === '+hash\r\n')
  const soon = String(Date.now() + 2_000)
  const many = Array.from({ length: 1_001 }, (_, index) => [`hostile-${index}`, `8 ${soon} 0`])
  await command('HSET', keys.replicas, ...many.flat())
  await until(async () => (await command('HLEN', keys.replicas)) === ':1\r\n')
  t.equal(a.limits.replicas, 1)
})

t.test('every key expires', options, async (t) => {
  const fleet = new LimitedFleet(t, server)
  const { keys } = fleet
  const { limits } = await fleet.join()
  limits.pause({ coolDownMs: 5_000, openMs: 5_000 })
  await until(async () => (await command('EXISTS', keys.openBreaker)) === ':1\r\n')
  for (const key of [keys.replicas, keys.coolDown, keys.openBreaker])
    t.ok(Number((await command('PTTL', key)).slice(1)) > 0, key)
})
