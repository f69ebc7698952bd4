import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import { openEvents } from '../support/event-stream.ts'
import { JOB_ID, jobIdOf } from '../support/fixtures.ts'
import type { RedisServerProcess } from '../support/redis-server.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-server.ts'
import { startFleet } from '../support/start-fleet.ts'
import { until } from '../support/wait.ts'

const page = await readFile(resolve(import.meta.dirname, '../../docs/deployment.md'), 'utf8')
const [, name = '', rules = ''] = /^user (\S+) (on .*)$/m.exec(page) ?? []
const USER = [name, ...rules.replace('>PASSWORD', '>secret').split(' ')]
const granted = [...rules.matchAll(/\+(\S+)/g)].map(([, command = '']) => command)

/** The commands that Redis has executed, such as `get` and `cluster|slots`. */
async function executed(redis: RedisServerProcess): Promise<Set<string>> {
  const statistics = await redis.command('INFO', 'commandstats')
  return new Set([...statistics.matchAll(/^cmdstat_([^:]+):/gm)].map(([, command = '']) => command))
}

/** Two replicas share a read, a stream and a cool-down, until Redis has executed all these commands. */
async function shareEverything(
  t: Test,
  redis: RedisServerProcess,
  environment: Record<string, string>,
  commands: readonly string[],
  prepare = async () => {},
): Promise<void> {
  const { services, simulator } = await startFleet(t, { redis, environment })
  await prepare()
  const [first, second] = services
  simulator.cdf.addJob(lasting(JOB_ID, 'Running'))
  const stream = await openEvents(t, `${first?.url}/jobs/${JOB_ID}/quality/events`)
  // While the event loop is busy with the start, reads are rejected.
  await until(() => stream.states().includes('Running'))
  await until(async () => (await second?.quality())?.status === 200)
  simulator.cdf.faults.next({ status: 429 })
  await first?.quality(jobIdOf(1))
  await until(async () => {
    const done = await executed(redis)
    return commands.every((command) => done.has(command))
  })
  stream.close()
  t.equal(await redis.command('ACL', 'LOG'), '*0\r\n', 'nothing was denied')
}

t.test(
  'the user of docs/deployment.md has the rights that the service needs, and no others',
  { skip: skipWithoutRedis },
  async (t) => {
    t.ok(granted.length > 10)
    const withCluster = ['asking', 'cluster|slots']
    const redis = await startRedis(t, '--user', ...USER)
    await shareEverything(
      t,
      redis,
      { REDIS_URL: `redis://${name}:secret@127.0.0.1:${redis.port}/1` },
      // HDEL removes replicas that have ended or died, as below.
      granted.filter((command) => command !== 'hdel' && !withCluster.includes(command)),
    )

    const cluster = await startRedis(t, '--cluster-enabled', 'yes', '--user', ...USER)
    await cluster.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await until(async () => /cluster_state:ok/.test(await cluster.command('CLUSTER', 'INFO')))
    const addDeadReplica = async () => {
      const [key] = (await cluster.command('KEYS', '*replicas')).match(/cdf-\S+/) ?? []
      if (key) await cluster.command('HSET', key, 'dead', '1 1')
    }
    await shareEverything(
      t,
      cluster,
      { REDIS_URL: `redis://${name}:secret@127.0.0.1:${cluster.port}`, REDIS_MODE: 'cluster' },
      // The client sends ASKING only while slots move from one node to another.
      granted.filter((command) => !['asking', 'select'].includes(command)),
      addDeadReplica,
    )

    const denied = (...command: string[]) => redis.command('ACL', 'DRYRUN', name, ...command)
    for (const command of [
      ['CONFIG', 'GET', '*'],
      ['KEYS', '*'],
      ['FLUSHALL'],
      ['ACL', 'LIST'],
      ['GET', 'other:key'],
      ['PUBLISH', 'other:channel', 'x'],
    ]) {
      t.match(await denied(...command), /permission/, command.join(' '))
    }
    t.equal(await denied('GET', 'cdf-job-quality:key'), '+OK\r\n')
  },
)
