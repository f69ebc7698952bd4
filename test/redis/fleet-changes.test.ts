import { setTimeout as sleep } from 'node:timers/promises'
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

t.test(
  'a new replica waits for a share until calls of the others have ended',
  options,
  async (t) => {
    const fleet = new LimitedFleet(t, server)
    const a = await fleet.join()
    a.member.callsInFlight = MAX_CALLS
    const startedAtMs = performance.now()
    const b = await fleet.join()
    t.equal(b.member.share, 0, 'it starts without a share')
    t.ok(performance.now() - startedAtMs >= 900)
    t.equal(a.member.share, 4, 'no new calls beyond the share')
    a.member.callsInFlight = 7
    await until(() => b.member.share === 1)
    t.ok((await fleet.claims()) <= MAX_CALLS)
    a.member.callsInFlight = 0
    await until(() => b.member.share === 4)
  },
)

t.test(
  'the claims never exceed the limit, whatever replicas come, go and do',
  options,
  async (t) => {
    const fleet = new LimitedFleet(t, server)
    const members: Awaited<ReturnType<LimitedFleet['join']>>[] = []
    let greatest = 0
    let isChecking = true
    const check = async () => {
      while (isChecking) {
        for (const { member } of members)
          member.callsInFlight = Math.max(member.share, member.callsInFlight - 1)
        const used = members.reduce((sum, { member }) => sum + member.callsInFlight, 0)
        greatest = Math.max(greatest, await fleet.claims(), used)
        await sleep(5)
      }
    }
    const checking = check()
    for (let count = 0; count < 4; count += 1) members.push(await fleet.join())
    await until(() => members.every(({ member }) => member.share === 2))
    const [leaving] = members.splice(1, 1)
    if (leaving) leaving.member.callsInFlight = 0
    await leaving?.limits.stop()
    leaving?.redis.close()
    members.push(await fleet.join())
    await until(() => members.every(({ member }) => member.share === 2))
    isChecking = false
    await checking
    t.equal(greatest, MAX_CALLS)
  },
)

t.test(
  'the share of a replica that left is free immediately, of a dead one after 3 s',
  options,
  async (t) => {
    const fleet = new LimitedFleet(t, server)
    const [a, b, c] = [await fleet.join(), await fleet.join(), await fleet.join()]
    await until(() => [a, b, c].every(({ limits }) => limits.replicas === 3))
    await b.limits.stop()
    b.redis.close()
    await until(() => a.limits.replicas === 2 && c.limits.replicas === 2)
    c.redis.close()
    const diedAtMs = performance.now()
    await until(() => a.limits.replicas === 1)
    t.ok(performance.now() - diedAtMs > 2_000)
    await until(() => a.member.share === MAX_CALLS)
  },
)

t.test(
  'without Redis, a replica starts immediately and alone, and joins later',
  options,
  async (t) => {
    const fleet = new LimitedFleet(t, server)
    const other = await fleet.join()
    const alone = await fleet.join({ opens: false })
    t.equal(alone.member.share, -1, 'the configured limit')
    t.equal(alone.limits.replicas, 1)
    alone.member.callsInFlight = 2
    await alone.redis.open()
    await until(() => alone.member.share === 4 && other.member.share === 4)
    t.ok((await fleet.claims()) <= MAX_CALLS)
  },
)
