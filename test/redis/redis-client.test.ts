import { readFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { resolve } from 'node:path'
import t from 'tap'
import { COUNT, connectRedis, KEYS } from '../support/connect-redis.ts'
import { listen } from '../support/local-server.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

// The tests wait for most of their time.
t.jobs = 4
const options = { skip: skipWithoutRedis, buffered: true }

t.test('uses user, password and database of the URL', options, async (t) => {
  const server = await startRedis(t)
  await server.command('ACL', 'SETUSER', 'me', 'on', '>p@ss', '~*', '&*', '+@all')
  const { redis } = await connectRedis(t, `redis://me:p%40ss@127.0.0.1:${server.port}/3`)
  t.equal(await redis.eval("return redis.call('ACL', 'WHOAMI')", [KEYS.probe], []), undefined)
  t.equal(await redis.eval(COUNT, ['test:counter'], []), 1)
  t.match(await server.command('INFO', 'keyspace'), /^db3:/m)
  t.match(await server.command('CLIENT', 'LIST'), / user=me /)
})

t.test('reads the password again when it connects', options, async (t) => {
  const server = await startRedis(t)
  const setPassword = (password: string) =>
    server.command('ACL', 'SETUSER', 'me', 'on', 'resetpass', `>${password}`, '~*', '&*', '+@all')
  await setPassword('first')
  let password = 'first'
  const url = `redis://me@127.0.0.1:${server.port}`
  const { redis, states, untilItWorks } = await connectRedis(t, url, {
    readPassword: async () => password,
  })
  await untilItWorks('with the first password')
  await setPassword('second')
  await untilItWorks('connections stay')
  t.strictSame(states, ['up connected'])
  await server.command('CLIENT', 'KILL', 'USER', 'me')
  await until(() => !redis.isAvailable)
  await until(() => states.length === 2)
  password = 'second'
  await untilItWorks('with the second password')
  t.equal(states.length, 3, 'each change is reported once')
})

t.test('names the reason if it cannot connect', options, async (t) => {
  const server = await startRedis(t)
  const url = `redis://me:wrong@127.0.0.1:${server.port}`
  t.strictSame((await connectRedis(t, url)).states, ['down WRONGPASS'])
  await server.command('CONFIG', 'SET', 'requirepass', 'secret')
  t.strictSame((await connectRedis(t, server.url)).states, ['down NOAUTH'])
  await server.kill()
  t.strictSame((await connectRedis(t, server.url)).states, ['down ECONNREFUSED'])
  const runbook = await readFile(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8')
  for (const reason of ['WRONGPASS', 'NOAUTH', 'ECONNREFUSED', 'ETIMEDOUT', 'UNKNOWN_PRIMARY'])
    t.ok(runbook.includes(`\`${reason}\``), reason)
})

t.test('closes the connection to a sentinel that never ends its answer', async (t) => {
  const open = new Set<Socket>()
  const sentinel = createServer((socket) => {
    open.add(socket)
    const timer = setInterval(() => socket.write('+'), 50)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(timer)
      open.delete(socket)
    })
  })
  const port = await listen(t, sentinel)
  const { redis, states } = await connectRedis(t, `redis://127.0.0.1:${port}`, {
    mode: 'sentinel',
    sentinelName: 'primary',
  })
  t.strictSame(states, ['down ETIMEDOUT'])
  redis.close()
  await until(() => open.size === 0)
})

t.test(
  'connects again after a restart, also if only one connection was lost',
  options,
  async (t) => {
    const server = await startRedis(t)
    const { states, untilItWorks } = await connectRedis(t, server.url)
    await untilItWorks('before')
    await server.restart()
    await until(() => states.length === 3)
    await untilItWorks('after a restart')
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until(() => states.length === 5)
    await untilItWorks('after the loss of the subscriber')
  },
)

t.test(
  'notices that the network drops everything, and leaves no connection',
  options,
  async (t) => {
    const drop = async (drops: 'requests' | 'answers') => {
      const server = await startRedis(t)
      const proxy = await startTcpProxy(t, server.port)
      const { redis, states, untilItWorks } = await connectRedis(
        t,
        `redis://127.0.0.1:${proxy.port}`,
      )
      await untilItWorks('before')
      proxy.drops = drops
      t.equal(await redis.eval(COUNT, [KEYS.probe], []), undefined)
      await until(() => !redis.isAvailable)
      t.strictSame(states, ['up connected', 'down ETIMEDOUT'])
      proxy.drops = undefined
      await untilItWorks('afterwards')
      const clients = await server.command('CLIENT', 'LIST')
      t.ok([...clients.matchAll(/^id=/gm)].length <= 3, 'two connections and the one of the test')
    }
    await Promise.all([drop('requests'), drop('answers')])
  },
)
