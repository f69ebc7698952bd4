import t from 'tap'
import { CHANNEL, COUNT, connectRedis } from '../support/connect-redis.ts'
import { moveSlot, shardOf, startRedisCluster } from '../support/redis-cluster.ts'
import { skipWithoutRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'

const skip = skipWithoutRedis

t.test('follows the slots of a cluster, and its messages', { skip }, async (t) => {
  const cluster = await startRedisCluster(t)
  const { redis, states, untilItWorks } = await connectRedis(t, cluster.url, { mode: 'cluster' })
  await untilItWorks('before')
  for (const tag of ['1', '2', '3', '4', '5', '6'])
    t.equal(await redis.eval(COUNT, [`test:{${tag}}`], []), 1)
  const { slot, owner, others } = await shardOf(cluster, CHANNEL)
  await moveSlot(slot, owner, others)
  await untilItWorks('after the move of the slot')
  t.match(await others[0]?.command('PUBSUB', 'SHARDCHANNELS'), CHANNEL)
  t.equal(states[0], 'up connected')
})

t.test('survives the loss of a node of a cluster', { skip }, async (t) => {
  const cluster = await startRedisCluster(t, { replicas: 3 })
  const { redis, states, untilItWorks } = await connectRedis(t, cluster.url, { mode: 'cluster' })
  await untilItWorks('before')
  const { owner } = await shardOf(cluster, CHANNEL)
  await owner.kill()
  await until(() => !redis.isAvailable)
  await untilItWorks('after the failover')
  t.equal(states.at(-1), 'up connected')
})
