import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { lasting, SCORES } from '../../simulator/upstream/simulated-job.ts'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import { freePort } from '../support/local-server.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisSentinels } from '../support/redis-sentinel.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { CREDENTIALS, USER_OPTIONS } from '../support/redis-user.ts'
import { request } from '../support/request.ts'
import { startFleet } from '../support/start-fleet.ts'
import { startProcess } from '../support/start-process.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

/** Two replicas share a read, an announcement and a pause. */
async function sharesEverything(t: Test, environment: Record<string, string>): Promise<void> {
  const { services, simulator } = await startFleet(t, { environment })
  const [first, second] = services
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${first?.url}/jobs/${JOB_ID}/quality/events`)
  await until(() => stream.events.length === 1)
  t.match(await second?.quality(), { status: 200, body: { status: 'Running' } })
  t.equal(simulator.cdf.readsOf(JOB_ID), 1)
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  await until(() => stream.hasEnded())
  t.match(await second?.quality(), { status: 200, body: { status: 'Completed' } })
  simulator.cdf.faults.next({ status: 429, headers: { 'retry-after': '30' } })
  await first?.quality(jobIdOf(1))
  await until(async () => (await second?.quality(jobIdOf(2)))?.status === 503)
  for (const { logs } of services)
    t.strictSame(
      logs.filter(({ msg }) => /Redis/.test(`${msg}`)).map(({ msg }) => msg),
      ['Redis available'],
    )
}

t.test('one server, with a user of least rights and a database', { skip }, async (t) => {
  const redis = await startRedis(t, ...USER_OPTIONS)
  const url = `redis://${CREDENTIALS}@127.0.0.1:${redis.port}/5`
  await sharesEverything(t, { REDIS_URL: url, REDIS_KEY_PREFIX: 'cdf-job-quality:test:' })
  t.equal(await redis.command('ACL', 'LOG'), '*0\r\n', 'no right is missing')
  t.match(await redis.command('INFO', 'keyspace'), /^db5:/m)
})

t.test('sentinels', { skip }, async (t) => {
  const { environment } = await startRedisSentinels(t)
  await sharesEverything(t, environment)
})

t.test('a cluster, with a user of least rights', { skip }, async (t) => {
  const { nodes, url } = await startRedisCluster(t, { options: USER_OPTIONS })
  const REDIS_URL = url.replace('://', `://${CREDENTIALS}@`)
  await sharesEverything(t, { REDIS_URL, REDIS_MODE: 'cluster' })
  for (const { command } of nodes) t.equal(await command('ACL', 'LOG'), '*0\r\n')
})

t.test('TLS, with a certificate of NODE_EXTRA_CA_CERTS', { skip }, async (t) => {
  const fixture = (name: string) => resolve(import.meta.dirname, '../fixtures', name)
  const certificate = fixture('localhost-certificate.pem')
  const port = await freePort()
  const redis = await startRedis(
    t,
    ...['--tls-port', `${port}`, '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', certificate, '--tls-key-file', fixture('localhost-key.pem')],
  )
  t.ok(await readFile(certificate))
  const simulator = await startSimulator()
  t.teardown(() => simulator.close())
  simulator.cdf.addJob(lasting(JOB_ID, 'Completed', SCORES))
  const start = async (environment: Record<string, string>) => {
    const process = startProcess(t, ['src/server.ts'], {
      ...simulator.environment,
      AUTH_MODE: 'none',
      PORT: '0',
      METRICS_PORT: '0',
      REDIS_URL: `rediss://localhost:${port}`,
      REDIS_TIMEOUT_MS: '1000',
      ...environment,
    })
    await until(() => process.url() !== '')
    return process
  }
  const path = `/jobs/${JOB_ID}/quality`
  for (const outcome of ['fwd=miss', 'hit']) {
    const { url, output } = await start({ NODE_EXTRA_CA_CERTS: certificate })
    await until(() => output.stdout.includes('Redis available'))
    const { headers } = await request(`${url()}${path}`)
    t.equal(headers.get('cache-status'), `cdf-job-quality; ${outcome}`)
    await until(async () => (await redis.command('KEYS', '*:result')).startsWith('*1'))
  }
  const { url, output } = await start({})
  await until(() => output.stdout.includes('DEPTH_ZERO_SELF_SIGNED_CERT'))
  t.equal((await request(`${url()}${path}`)).status, 200, 'works alone without the certificate')
})
