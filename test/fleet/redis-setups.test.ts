import { resolve } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { moveSlot, shardOf, startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisSentinels } from '../support/redis-sentinel.ts'
import { type RedisServerProcess, skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { CREDENTIALS, SENTINEL_USER, USER_OPTIONS } from '../support/redis-user.ts'
import { request } from '../support/request.ts'
import { startFleet } from '../support/start-fleet.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

// The tests wait for most of their time.
t.jobs = 4
const options = { skip: skipWithoutRedis, buffered: true }

type Fleet = Awaited<ReturnType<typeof startFleet>>

/** Two replicas share a read and an announcement. */
async function sharesReads(t: Test, { services, simulator }: Fleet, jobId: string): Promise<void> {
  const [first, second] = services
  simulator.cdf.addJob(lasting(jobId, 'Running'))
  const stream = await openEvents(t, `${first?.url}/jobs/${jobId}/quality/events`)
  await until(() => stream.events.length === 1)
  t.match(await second?.quality(jobId), { status: 200, body: { status: 'Running' } })
  t.equal(simulator.cdf.readsOf(jobId), 1)
  simulator.cdf.addJob(lasting(jobId, 'Completed', SCORES))
  await until(() => stream.hasEnded())
  t.match(await second?.quality(jobId), { status: 200, body: { status: 'Completed' } })
}

/** Two replicas share a cool-down. */
async function sharesPauses({ services, simulator }: Fleet): Promise<void> {
  const [first, second] = services
  simulator.cdf.faults.next({ status: 429, headers: { 'retry-after': '30' } })
  await first?.quality(jobIdOf(1))
  await until(async () => (await second?.quality(jobIdOf(2)))?.status === 503)
}

/** The commands that Redis has executed, such as `get` and `cluster|slots`. */
async function executed({ command }: RedisServerProcess): Promise<string[]> {
  const statistics = await command('INFO', 'commandstats')
  return [...statistics.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = '']) => name)
}

const USER = 'cdf-job-quality'
const granted = USER_OPTIONS.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1))
const NO_DENIALS = '*0\r\n'

t.test('one server, with a user of least rights and a database', options, async (t) => {
  const redis = await startRedis(t, ...USER_OPTIONS)
  const fleet = await startFleet(t, {
    environment: {
      REDIS_URL: `redis://${CREDENTIALS}@127.0.0.1:${redis.port}/5`,
      REDIS_KEY_PREFIX: 'cdf-job-quality:test:',
    },
  })
  await sharesReads(t, fleet, JOB_ID)
  await sharesPauses(fleet)
  // The pings of idle connections.
  await until(async () => (await executed(redis)).includes('ping'))
  await Promise.all(fleet.services.map(({ app }) => app.close()))
  t.equal(await redis.command('ACL', 'LOG'), NO_DENIALS)
  t.match(await redis.command('INFO', 'keyspace'), /^db5:/m)
  const used = await executed(redis)
  for (const command of granted.filter((name) => !/^(asking|cluster\|slots)$/.test(name)))
    t.ok(used.includes(command), `the service needs ${command}`)
  for (const command of [
    ['CONFIG', 'GET', '*'],
    ['KEYS', '*'],
    ['FLUSHALL'],
    ['ACL', 'LIST'],
    ['GET', 'other:key'],
    ['SPUBLISH', 'other:channel', 'x'],
  ])
    t.match(await redis.command('ACL', 'DRYRUN', USER, ...command), /permission/, `${command}`)
})

t.test('sentinels with a user of least rights, also after a failover', options, async (t) => {
  const { primary, replica, sentinels, environment } = await startRedisSentinels(t, ...USER_OPTIONS)
  // This one requires a password. The other two do not know the user.
  const [restricted, other] = sentinels as [RedisServerProcess, RedisServerProcess]
  await restricted.command('ACL', 'SETUSER', ...SENTINEL_USER)
  await restricted.command('ACL', 'SETUSER', 'default', 'resetpass', '>another')
  const REDIS_URL = environment.REDIS_URL.replace('://', `://${CREDENTIALS}@`)
  const fleet = await startFleet(t, { environment: { ...environment, REDIS_URL } })
  await sharesReads(t, fleet, JOB_ID)

  await other.kill()
  await primary.kill()
  const [first] = fleet.services
  await until(async () => (await replica.command('ROLE')).includes('master'))
  const isAvailable = async () =>
    /_redis_available 1$/m.test((await first?.app.metrics.text()) ?? '')
  await until(isAvailable)
  await until(() => fleet.services.every(({ app }) => app.fleet.limits.replicas === 2))
  await until(async () => (await replica.keys('*:replicas')).length === 1)
  await sharesReads(t, fleet, jobIdOf(3))
  t.equal(await replica.command('ACL', 'LOG'), NO_DENIALS)
})

t.test('a cluster with a user of least rights, also while slots move', options, async (t) => {
  const cluster = await startRedisCluster(t, { options: USER_OPTIONS })
  const REDIS_URL = cluster.url.replace('://', `://${CREDENTIALS}@`)
  const fleet = await startFleet(t, { environment: { REDIS_URL, REDIS_MODE: 'cluster' } })
  await sharesReads(t, fleet, JOB_ID)
  const { slot, owner, others } = await shardOf(cluster, '{fleet}')
  await moveSlot(slot, owner, others)
  const subscribed = async () => `${await others[0]?.command('PUBSUB', 'SHARDCHANNELS')}`
  await until(async () => (await subscribed()).startsWith('*2'))
  await until(async () => (await others[0]?.keys('*:replicas'))?.length === 1)
  await sharesReads(t, fleet, jobIdOf(3))
  await sharesPauses(fleet)
  for (const { command } of cluster.nodes) t.equal(await command('ACL', 'LOG'), NO_DENIALS)
})

t.test('TLS, with a certificate of NODE_EXTRA_CA_CERTS', options, async (t) => {
  const fixture = (name: string) => resolve(import.meta.dirname, '../fixtures', name)
  const certificate = fixture('localhost-certificate.pem')
  const port = await freePort()
  await startRedis(
    t,
    ...['--tls-port', `${port}`, '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', certificate, '--tls-key-file', fixture('localhost-key.pem')],
  )
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  for (const [environment, line] of [
    [{ NODE_EXTRA_CA_CERTS: certificate }, 'Redis available'],
    [{}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const) {
    const { url, output } = startProcess(t, ['src/server.ts'], {
      ...simulator.environment,
      AUTH_MODE: 'none',
      PORT: '0',
      METRICS_PORT: '0',
      REDIS_URL: `rediss://localhost:${port}`,
      REDIS_TIMEOUT_MS: '1000',
      ...environment,
    })
    await until(() => url() !== '' && output.stdout.includes(line))
    t.equal((await request(`${url()}/jobs/${JOB_ID}/quality`)).status, 200)
  }
})
