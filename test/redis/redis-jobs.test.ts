import type { Test } from 'tap'
import t from 'tap'
import { scheduleTimeout } from '../../src/async/clock.ts'
import { type JobId, parseJobId } from '../../src/cdf/job-id.ts'
import type { JobLease } from '../../src/jobs/shared-jobs.ts'
import { getStoredJob } from '../../src/redis/get-stored-job.ts'
import { RedisJobAnnouncements } from '../../src/redis/redis-job-announcements.ts'
import { RedisJobLeases } from '../../src/redis/redis-job-leases.ts'
import { KEYS, redisConnection } from '../support/connect-redis.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis
const ID = parseJobId('7') as JobId
const JOB = { jobId: '7', status: 'Running', advancedJoinExternalId: 'ü' }
const RESULT = { job: JOB, ageAtReadMs: 40, ttlMs: 60_000 }
const RESULT_KEY = KEYS.result(ID)
const LEASE_KEY = KEYS.lease(ID)

// The tests share a server, which they empty first.
const server = skip ? undefined : await startRedis(t)
const command = (...args: string[]) => server?.command(...args) ?? Promise.resolve('')
t.beforeEach(async () => {
  await command('FLUSHALL')
})

/** One replica. */
async function connect(
  t: Test,
  { now = () => performance.now(), schedule = scheduleTimeout, limitMs = 2_000 } = {},
) {
  const nodes = [{ host: '127.0.0.1', port: server?.port ?? 0 }]
  const { redis, commands, timeoutMs } = redisConnection(t, { nodes }, limitMs)
  const lookups: string[] = []
  const onLookup = (outcome: string) => lookups.push(outcome)
  const store = { get: (jobId: JobId) => getStoredJob(jobId, { redis, keys: KEYS, onLookup }) }
  const announcements = new RedisJobAnnouncements({
    redis,
    stream: KEYS.announcements,
    replica: `${Math.random()}`,
  })
  const announce = (jobId: JobId) => announcements.announce(jobId)
  const leases = new RedisJobLeases({ redis, keys: KEYS, timeoutMs, now, schedule, announce })
  await redis.open()
  const lease = async () => (await leases.acquire(ID)) as { lease: JobLease }
  return { redis, timeoutMs, store, leases, lease, announcements, lookups, commands }
}

t.test('a result is found by another replica until it expires', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  t.equal(await b.store.get(ID), undefined)
  const { lease } = await a.lease()
  await lease.release(RESULT)
  t.match(await a.leases.acquire(ID), { stored: { job: JOB, ageAtReadMs: 40 } })
  const found = await b.store.get(ID)
  t.match(found, { job: JOB, ageAtReadMs: 40 })
  t.ok((found?.ageMs ?? -1) >= 0 && (found?.ageMs ?? 0) < 60_000)
  t.strictSame(b.lookups, ['miss', 'hit'])
  const ttlMs = Number((await command('PTTL', RESULT_KEY)).slice(1))
  t.ok(ttlMs > 0 && ttlMs <= 60_000)
})

t.test('the age does not depend on the clocks of replicas', { skip }, async (t) => {
  const ahead = await connect(t, { now: () => performance.now() + 300_000 })
  const behind = await connect(t, { now: () => performance.now() - 300_000 })
  for (const [reader, other] of [
    [ahead, behind],
    [behind, ahead],
  ] as const) {
    await (await reader.lease()).lease.release(RESULT)
    const { ageMs = -1 } = (await other.store.get(ID)) ?? {}
    t.ok(ageMs >= 0 && ageMs < 60_000)
    await command('DEL', RESULT_KEY)
  }
})

t.test('a result is as old as the read, also if Redis gets it late', { skip }, async (t) => {
  let nowMs = 0
  const { store, lease } = await connect(t, { now: () => nowMs })
  const { lease: granted } = await lease()
  const [seconds, microseconds] = [...(await command('TIME')).matchAll(/^\d+/gm)].map(Number)
  const grantedAtMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000
  // For Redis, the read has taken no time.
  nowMs = -20_000
  await granted.release(RESULT)
  const age = (await store.get(ID))?.ageMs ?? 0
  t.ok(age >= 20_000 && age < 80_000, `${age}`)
  const [, readAt] = /^1 (\d+) /m.exec(await command('GET', RESULT_KEY)) ?? []
  t.ok(Number(readAt) <= grantedAtMs - 20_000)
})

t.test('that CDF has no such job is found too', { skip }, async (t) => {
  const { store, lease } = await connect(t)
  await (await lease()).lease.release({ job: undefined, ageAtReadMs: 0, ttlMs: 5_000 })
  t.match(await store.get(ID), { job: undefined })
})

t.test(
  'a result that may not be kept, or is too long, deletes the one before',
  { skip },
  async (t) => {
    const { store, lease } = await connect(t)
    const long = { ...JOB, errorMessage: 'x'.repeat(70_000) }
    for (const update of ['delete', { ...RESULT, ttlMs: 0 }, { ...RESULT, job: long }] as const) {
      await (await lease()).lease.release(RESULT)
      t.ok(await store.get(ID))
      await (await lease()).lease.release(update)
      t.equal(await command('EXISTS', RESULT_KEY), ':0\r\n')
    }
    await (await lease()).lease.release(RESULT)
    await (await lease()).lease.release()
    t.ok(await store.get(ID), 'a failed read changes nothing')
  },
)

t.test(
  'what the service has not stored is ignored, counted, and overwritten',
  { skip },
  async (t) => {
    const { store, lease, lookups } = await connect(t)
    const huge = '1'.repeat(1_000_000)
    for (const [name, hostile] of [
      ['garbage', ['SET', RESULT_KEY, '\u0000]{']],
      ['another job', ['SET', RESULT_KEY, '1 1 0\n{"jobId":"8","status":"Running"}']],
      ['a huge value', ['SET', RESULT_KEY, huge]],
      ['a list', ['RPUSH', RESULT_KEY, 'x']],
      ['a hash', ['HSET', RESULT_KEY, 'x', 'y']],
    ] as const) {
      await command('DEL', RESULT_KEY)
      await command(...hostile)
      lookups.length = 0
      t.equal(await store.get(ID), undefined, name)
      t.strictSame(lookups, ['invalid'])
      await (await lease()).lease.release(RESULT)
      t.match(await store.get(ID), { job: JOB }, `${name} is overwritten`)
    }
  },
)

t.test('one replica at a time has the lease of a job', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  const { lease } = await a.lease()
  await until(async () => Number((await command('PTTL', LEASE_KEY)).slice(1)) > 0)
  const refused = await b.leases.acquire(ID)
  t.equal(refused.lease, undefined)
  t.match(refused, { heldForMs: Number })
  t.ok((await b.leases.acquire(parseJobId('8') as JobId)).lease, 'another job')
  await lease.release()
  t.ok((await b.lease()).lease)
})

t.test(
  'a lease is renewed until its release, and ends soon after the death of its holder',
  { skip },
  async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const { lease } = await a.lease()
    const ttlMs = async () => Number((await command('PTTL', LEASE_KEY)).slice(1))
    let lowest = 1_000
    let renewals = 0
    await until(async () => {
      const now = await ttlMs()
      if (now > lowest + 100) renewals += 1
      lowest = now
      return renewals >= 2
    })
    t.equal((await b.leases.acquire(ID)).lease, undefined)
    await lease.release()
    t.equal(await command('EXISTS', LEASE_KEY), ':0\r\n')

    await a.lease()
    a.redis.close()
    await until(async () => Boolean((await b.leases.acquire(ID)).lease))
  },
)

t.test('a renewal without an answer does not end a lease', { skip }, async (t) => {
  const holder = await connect(t)
  const run = holder.redis.eval.bind(holder.redis)
  let lost = 0
  const { lease } = await holder.lease()
  await until(async () => Number((await command('PTTL', LEASE_KEY)).slice(1)) > 0)
  holder.redis.eval = async (script, keys, args) => {
    if (!keys.includes(LEASE_KEY) || lost > 0) return run(script, keys, args)
    lost += 1
    return undefined
  }
  await until(() => lost === 1)
  // More than what the last renewal has left.
  for (let renewed = 0; renewed < 2; ) {
    const before = Number((await command('PTTL', LEASE_KEY)).slice(1))
    t.ok(before > 0, 'the lease is held')
    if (before <= 0) break
    await until(async () => {
      const ttlMs = Number((await command('PTTL', LEASE_KEY)).slice(1))
      return ttlMs > before || ttlMs < 0
    })
    renewed += 1
  }
  await lease.release(RESULT)
  t.match(await holder.store.get(ID), { ageAtReadMs: 40 }, 'the result is shared')
})

t.test('a lease is short until the replica has heard of the grant', { skip }, async (t) => {
  const neverRenews = await connect(t, { schedule: () => () => {}, limitMs: 100 })
  await neverRenews.lease()
  const ttlMs = Number((await command('PTTL', LEASE_KEY)).slice(1))
  t.ok(ttlMs > 0 && ttlMs <= 5 * neverRenews.timeoutMs, 'five time limits')
})

t.test('a replica that has lost its lease changes nothing', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  const lost = await a.lease()
  await command('DEL', LEASE_KEY)
  const { lease } = await b.lease()
  await lost.lease.release({ ...RESULT, ageAtReadMs: 999 })
  t.equal(await b.store.get(ID), undefined)
  t.equal((await a.leases.acquire(ID)).lease, undefined, 'the lease of the other is not released')
  await lease.release(RESULT)
  t.match(await b.store.get(ID), { ageAtReadMs: 40 })
  await lost.lease.release('delete')
  t.match(await b.store.get(ID), { ageAtReadMs: 40 })
})

t.test('a lease that no replica can have taken does not stop anybody', { skip }, async (t) => {
  const { lease } = await connect(t)
  for (const hostile of [
    ['SET', LEASE_KEY, 'for ever'],
    ['SET', LEASE_KEY, 'long', 'EX', '1000'],
    ['RPUSH', LEASE_KEY, 'x'],
  ]) {
    await command('DEL', LEASE_KEY)
    await command(...hostile)
    const granted = await lease()
    t.ok(granted.lease, hostile.join(' '))
    await granted.lease.release(RESULT)
    t.equal(await command('EXISTS', LEASE_KEY), ':0\r\n')
  }
})

t.test('without Redis, a replica has its own lease and shares nothing', { skip }, async (t) => {
  const { redis, store, leases, announcements } = await connect(t)
  redis.close()
  const { lease } = await leases.acquire(ID)
  t.ok(lease)
  await lease?.release(RESULT)
  announcements.announce(ID)
  t.equal(await store.get(ID), undefined)
  const keys = [RESULT_KEY, LEASE_KEY, KEYS.announcements]
  t.equal(await command('EXISTS', ...keys), ':0\r\n')
})

t.test('the other replicas hear of an announcement, once', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  const heard: string[] = []
  a.announcements.subscribe((jobId) => heard.push(`a ${jobId}`))
  const unsubscribe = b.announcements.subscribe((jobId) => heard.push(`b ${jobId}`))
  a.announcements.announce(ID)
  await until(() => heard.length > 0)
  b.announcements.announce(parseJobId('8') as JobId)
  await until(() => heard.length > 1)
  // Until both have read the stream again.
  const reads = b.commands.length
  await until(() => b.commands.length > reads + 1 && a.commands.length > reads + 1)
  t.strictSame(heard, ['b 7', 'a 8'])
  await (await a.lease()).lease.release()
  await until(() => heard.length === 3)
  t.equal(heard.pop(), 'b 7', 'the release of a lease')
  unsubscribe()
  a.announcements.notifyLoss()
  t.strictSame(heard, ['b 7', 'a 8', 'a undefined'])
})

t.test('a lost message is found in the stream within a second', { skip }, async (t) => {
  const { announcements } = await connect(t)
  const heard: unknown[] = []
  announcements.subscribe((jobId) => heard.push(jobId))
  await command('XADD', KEYS.announcements, '*', 'read', 'other 7')
  await until(() => heard.length === 1)
  t.strictSame(heard, ['7'])
  await command('DEL', KEYS.announcements)
  await command('XADD', KEYS.announcements, '1-1', 'read', 'other 8')
  await until(() => heard.length === 2)
  t.strictSame(heard, ['7', '8'], 'also in a new stream with smaller ids')
})

t.test('hostile messages and entries are ignored', { skip }, async (t) => {
  const { announcements } = await connect(t)
  const heard: unknown[] = []
  announcements.subscribe((jobId) => heard.push(jobId))
  const texts = [
    '',
    'x',
    'other',
    'other ../../x',
    `other 7${' '.repeat(300)}`,
    `other ${'7'.repeat(1_000)}`,
  ]
  for (const text of texts) {
    await command('SPUBLISH', KEYS.announcements, `1-1 ${text}`)
    await command('XADD', KEYS.announcements, '*', 'read', text)
  }
  await command('XADD', KEYS.announcements, '*', 'read', 'other 9')
  await until(() => heard.includes('9'))
  t.strictSame(
    heard.filter((jobId) => jobId !== '7'),
    ['9'],
  )
})

t.test('an announcement replaces a key of another type', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  const heard: unknown[] = []
  b.announcements.subscribe((jobId) => heard.push(jobId))
  await command('SET', KEYS.announcements, 'x')
  a.announcements.announce(ID)
  await until(() => heard.length === 1)
  t.equal(await command('XLEN', KEYS.announcements), ':1\r\n')
})

t.test('an announcement replaces a stream that takes no entry any more', { skip }, async (t) => {
  const { announcements } = await connect(t)
  const last = '18446744073709551615-18446744073709551615'
  await command('XADD', KEYS.announcements, last, 'read', 'other 9')
  announcements.announce(ID)
  await until(async () => Number((await command('PTTL', KEYS.announcements)).slice(1)) > 0)
  t.notMatch(await command('XRANGE', KEYS.announcements, '-', '+'), 'other 9')
})

t.test('a stream with too long entries is deleted', { skip }, async (t) => {
  const { announcements } = await connect(t)
  const heard: unknown[] = []
  announcements.subscribe((jobId) => heard.push(jobId))
  const long = `other 8${'x'.repeat(1_000)}`
  await command('XADD', KEYS.announcements, '*', 'read', long)
  await until(async () => (await command('EXISTS', KEYS.announcements)) === ':0\r\n')
  await command('XADD', KEYS.announcements, '*', 'read', 'other 9', 'more', long)
  await until(async () => (await command('EXISTS', KEYS.announcements)) === ':0\r\n')
  await command('XADD', KEYS.announcements, '*', 'read', 'other 7')
  await until(() => heard.length > 0)
  t.strictSame(heard, ['7'])
})

t.test('every key expires', { skip }, async (t) => {
  const { lease, announcements } = await connect(t)
  const { lease: held } = await lease()
  announcements.announce(ID)
  await (await (await connect(t)).leases.acquire(parseJobId('8') as JobId)).lease?.release(RESULT)
  await until(async () => (await command('EXISTS', KEYS.announcements)) === ':1\r\n')
  const keys = [...(await command('KEYS', '*')).matchAll(/test:\S+/g)].map(([key]) => key)
  t.ok(keys.length >= 3)
  for (const key of keys) {
    t.ok(Number((await command('PTTL', key)).slice(1)) > 0, key)
    t.match(key, /^test:project:[0-9a-f]{12}:\{(7|8|fleet)\}:/)
  }
  await held.release()
})

t.test('a full Redis grants no leases, but delivers messages', { skip }, async (t) => {
  const [a, b] = [await connect(t), await connect(t)]
  const heard: unknown[] = []
  b.announcements.subscribe((jobId) => heard.push(jobId))
  await (await a.lease()).lease.release(RESULT)
  t.teardown(() => command('CONFIG', 'SET', 'maxmemory', '0'))
  await command('CONFIG', 'SET', 'maxmemory', '1')
  const { lease } = await a.leases.acquire(ID)
  t.ok(lease, 'each replica reads on its own')
  await lease?.release(RESULT)
  t.match(await b.store.get(ID), { job: JOB }, 'what is stored can be read')
  a.announcements.announce(ID)
  await until(() => heard.length === 1)
  t.ok(a.redis.isAvailable)
  t.match(a.commands, /rejected OOM/)
})
