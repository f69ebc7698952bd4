import t from 'tap'
import type { RedisClient, RedisClientOptions } from '../../src/redis/redis-client.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { RedisRejectionError } from '../../src/redis/redis-rejection-error.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { settle, until } from '../support/wait.ts'

const TIMEOUT_MS = 50
const RETRY_MS = 500

/** A client whose answers the test gives. */
interface FakeClient extends RedisClient {
  options: RedisClientOptions
  /** Scripts that wait for their answer. The first one is the probe. */
  pending: PromiseWithResolvers<unknown>[]
  isDestroyed: boolean
}

/** A connection with a fake clock and fake clients. */
function setUp({ connect = async () => {} }: { connect?: () => Promise<void> } = {}) {
  const clock = new FakeClock()
  const clients: FakeClient[] = []
  const states: string[] = []
  const commands: string[] = []
  const interruptions: boolean[] = []
  const redis = new RedisConnection({
    createClient: (options) => {
      const client: FakeClient = {
        options,
        pending: [],
        isDestroyed: false,
        connect,
        eval: () => {
          const answer = Promise.withResolvers<unknown>()
          client.pending.push(answer)
          return answer.promise
        },
        destroy: () => {
          client.isDestroyed = true
          for (const { reject } of client.pending) reject(new Error('Disconnects client'))
        },
      }
      clients.push(client)
      return client
    },
    probeKey: 'probe',
    timeoutMs: TIMEOUT_MS,
    now: clock.now,
    schedule: clock.schedule,
    onStateChange: (isAvailable, reason) => states.push(`${isAvailable ? 'up' : 'down'} ${reason}`),
    onInterruption: () => interruptions.push(redis.isAvailable),
    onCommand: (outcome, reason) => commands.push([outcome, reason].filter(Boolean).join(' ')),
  })
  t.teardown(() => redis.close())
  /** The latest client, after its probe has been sent. */
  const connected = async (count = 1) => {
    await until(() => clients.length === count && clients[count - 1]?.pending.length === 1)
    const client = clients[count - 1] as FakeClient
    client.pending[0]?.resolve('OK')
    await settle()
    return client
  }
  const run = () => redis.eval('return 1', ['key'], [1])
  return { clock, clients, states, commands, interruptions, redis, connected, run }
}

t.test('does not wait while there is no connection', async (t) => {
  const { redis, run, clients, commands } = setUp()
  t.equal(await run(), undefined)
  redis.open()
  await until(() => clients.length === 1)
  t.equal(await run(), undefined, 'before the probe has succeeded')
  t.equal(redis.isAvailable, false)
  t.strictSame(commands, [])
})

t.test('returns the results of scripts', async (t) => {
  const { redis, run, connected, states, commands } = setUp()
  redis.open()
  const client = await connected()
  const result = run()
  client.pending[1]?.resolve([1, 2])
  t.strictSame(await result, [1, 2])
  t.strictSame(states, ['up connected'])
  t.strictSame(commands, ['success'])
})

/** A connection after a script without an answer in time, when the first probe has been sent. */
async function setUpInterrupted() {
  const set = setUp()
  set.redis.open()
  const client = await set.connected()
  const result = set.run()
  set.clock.advance(TIMEOUT_MS)
  await until(() => client.pending.length === 3)
  return { ...set, client, result }
}

t.test(
  'a script without an answer in time ends all that wait, and later ones immediately',
  async (t) => {
    const { redis, run, connected, interruptions, states, commands, clock } = setUp()
    redis.open()
    const client = await connected()
    const first = run()
    clock.advance(TIMEOUT_MS - 1)
    const second = run()
    await settle()
    clock.advance(1)
    t.equal(await first, undefined)
    t.equal(await second, undefined, 'waited for 1 ms')
    t.equal(await run(), undefined)
    t.equal(client.pending.length, 4, 'only a probe was sent')
    t.strictSame(interruptions, [true])
    t.strictSame(commands, ['failure ETIMEDOUT', 'failure ETIMEDOUT'])
    t.strictSame(states, ['up connected'], 'it may only be slow for a moment')
  },
)

t.test(
  'after a slow moment, scripts are sent again as soon as Redis answers in time',
  async (t) => {
    const { client, run, clock, states, clients } = await setUpInterrupted()
    clock.advance(RETRY_MS - 1)
    client.pending[1]?.resolve('late')
    client.pending[2]?.resolve('OK')
    await until(() => client.pending.length === 4)
    t.equal(await run(), undefined, 'it can still be too slow')
    client.pending[3]?.resolve('OK')
    await settle()
    const result = run()
    client.pending[4]?.resolve(1)
    t.equal(await result, 1)
    t.equal(clients.length, 1)
    t.strictSame(states, ['up connected'])
  },
)

t.test('if Redis does not answer for longer, or stays slow, a new client connects', async (t) => {
  for (const staysSlow of [false, true]) {
    const { client, clock, states, clients, connected, redis } = await setUpInterrupted()
    if (staysSlow) {
      client.pending[2]?.resolve('OK')
      await until(() => client.pending.length === 4)
    }
    clock.advance(staysSlow ? TIMEOUT_MS : RETRY_MS)
    await until(() => client.isDestroyed)
    t.equal(redis.isAvailable, false)
    t.equal(clients.length, 1)
    clock.advance(RETRY_MS)
    await connected(2)
    t.strictSame(states, ['up connected', 'down ETIMEDOUT', 'up connected'])
  }
})

t.test('an answer that has arrived during a pause of the event loop is in time', async (t) => {
  const { redis, run, connected, states, clock } = setUp()
  redis.open()
  const client = await connected()
  const result = run()
  clock.advance(TIMEOUT_MS)
  // The event loop runs timers first, and then reads what has arrived.
  client.pending[1]?.resolve('in time')
  t.equal(await result, 'in time')
  t.strictSame(states, ['up connected'])
})

t.test('connects anew after half a second, until Redis executes a script again', async (t) => {
  const { redis, connected, clients, states, clock } = setUp()
  redis.open()
  const first = await connected()
  first.options.onError(Object.assign(new Error('x'), { code: 'ECONNRESET' }))
  t.equal(redis.isAvailable, false)
  clock.advance(RETRY_MS - 1)
  await settle()
  t.equal(clients.length, 1)
  clock.advance(1)
  await until(() => clients[1]?.pending.length === 1)
  clock.advance(TIMEOUT_MS)
  await until(() => clients[1]?.isDestroyed === true)
  clock.advance(RETRY_MS)
  await connected(3)
  t.strictSame(states, ['up connected', 'down ECONNRESET', 'up connected'], 'each change once')
})

t.test('gives up an attempt to connect that takes too long', async (t) => {
  const { redis, clients, states, clock } = setUp({ connect: () => new Promise(() => {}) })
  const attempt = redis.open()
  await until(() => clock.timers.size === 1)
  clock.advance(2_000)
  await attempt
  t.equal(clients[0]?.isDestroyed, true)
  t.strictSame(states, ['down ETIMEDOUT'])
  clock.advance(RETRY_MS)
  await until(() => clients.length === 2)
})

t.test('the first attempt is reported also if it fails', async (t) => {
  const error = Object.assign(new Error('secret'), { code: 'ECONNREFUSED' })
  const { redis, states } = setUp({ connect: () => Promise.reject(error) })
  await redis.open()
  t.strictSame(states, ['down ECONNREFUSED'])
})

t.test('an error that Redis sends ends that script only', async (t) => {
  const { redis, run, connected, states, commands } = setUp()
  redis.open()
  const client = await connected()
  for (const [index, text] of ['OOM command not allowed', 'NOPERM secret', 'secret'].entries()) {
    const result = run()
    client.pending[index + 1]?.reject(new RedisRejectionError(text))
    t.equal(await result, undefined)
  }
  t.strictSame(commands, ['rejected OOM', 'rejected NOPERM', 'rejected ERR'])
  t.strictSame(states, ['up connected'])
})

t.test('looks for another server if this one does not accept writes', async (t) => {
  for (const kind of ['READONLY', 'LOADING', 'MASTERDOWN', 'NOAUTH']) {
    const { redis, run, connected, states, commands } = setUp()
    redis.open()
    const client = await connected()
    run()
    client.pending[1]?.reject(new RedisRejectionError(`${kind} text`))
    await until(() => client.isDestroyed)
    t.strictSame(states, ['up connected', `down ${kind}`])
    t.strictSame(commands, [`rejected ${kind}`])
  }
})

t.test('repeats tasks while Redis is available, beginning immediately', async (t) => {
  const { redis, connected, clock } = setUp()
  let runs = 0
  redis.repeat(async () => {
    runs += 1
    return 100
  })
  redis.open()
  const client = await connected()
  t.equal(runs, 1)
  clock.advance(100)
  await settle()
  t.equal(runs, 2)
  client.options.onError(new Error('lost'))
  await settle()
  clock.advance(RETRY_MS)
  t.equal(runs, 2)
  await connected(2)
  t.equal(runs, 3)
  redis.close()
  clock.advance(1_000)
  t.equal(runs, 3)
})

t.test('passes messages to the subscribers of their channel', async (t) => {
  const { redis, connected } = setUp()
  const messages: string[] = []
  for (const channel of ['a', 'b'])
    redis.subscribe(channel, (message) => messages.push(`${channel} ${message}`))
  redis.open()
  const { options } = await connected()
  t.strictSame(options.channels, ['a', 'b'])
  options.onMessage('b', 'hello')
  options.onMessage('c', 'nobody')
  t.strictSame(messages, ['b hello'])
})

t.test('does not connect any more after the close', async (t) => {
  const { redis, connected, clients, states, clock } = setUp()
  redis.open()
  const client = await connected()
  client.options.onError(new Error('lost'))
  redis.close()
  clock.advance(RETRY_MS)
  await settle()
  t.equal(clients.length, 1)
  t.equal(states.length, 2)
})
