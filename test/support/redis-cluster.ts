import { freePort } from './local-server.ts'
import { type Owner, type RedisServerProcess, startRedis } from './redis-server.ts'
import { until } from './wait.ts'

/** A cluster of `redis-server` processes. */
export interface RedisCluster {
  nodes: RedisServerProcess[]
  /** For `REDIS_URL`: the first two nodes. */
  url: string
}

const SLOTS = 16_384
/** A node counts as failed after this time, milliseconds. */
const NODE_TIMEOUT_MS = 1_000

/**
 * Starts a cluster of three primaries. It is complete when this returns.
 * @param replicas number of further nodes, each for one of the primaries
 */
export async function startRedisCluster(
  t: Owner,
  { replicas = 0, options = [] as string[] } = {},
): Promise<RedisCluster> {
  const nodes = await Promise.all(
    Array.from({ length: 3 + replicas }, async () => {
      const busPort = `${await freePort()}`
      const server = await startRedis(
        t,
        ...['--cluster-enabled', 'yes', '--cluster-port', busPort],
        ...[
          '--cluster-node-timeout',
          `${NODE_TIMEOUT_MS}`,
          '--repl-diskless-sync-delay',
          '0',
          ...options,
        ],
      )
      return { server, busPort }
    }),
  )
  const primaries = nodes.slice(0, 3).map(({ server }) => server)
  const [first] = primaries as [RedisServerProcess]
  for (const [index, { command }] of primaries.entries()) {
    const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / 3))
    await command('CLUSTER', 'ADDSLOTSRANGE', `${from}`, `${(to as number) - 1}`)
    await command('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
  }
  for (const { server, busPort } of nodes.slice(1))
    await first.command('CLUSTER', 'MEET', '127.0.0.1', `${server.port}`, busPort)
  const knowsAll = async ({ command }: RedisServerProcess) => {
    const info = await command('CLUSTER', 'INFO')
    return info.includes('cluster_state:ok') && info.includes(`known_nodes:${nodes.length}\r`)
  }
  const servers = nodes.map(({ server }) => server)
  await until(async () => (await Promise.all(servers.map(knowsAll))).every(Boolean))
  for (const [index, { command }] of servers.slice(3).entries()) {
    const id = await (primaries[index % 3] as RedisServerProcess).command('CLUSTER', 'MYID')
    await command('CLUSTER', 'REPLICATE', `${id.split('\r\n')[1]}`)
    await until(async () => (await command('INFO', 'replication')).includes('link_status:up'))
  }
  return { nodes: servers, url: `redis://127.0.0.1:${first.port},127.0.0.1:${primaries[1]?.port}` }
}

/** The slot of a key, the primary that had it at the start, and the other two primaries. */
export async function shardOf({ nodes }: RedisCluster, key: string) {
  const primaries = nodes.slice(0, 3) as [RedisServerProcess, ...RedisServerProcess[]]
  const slot = (await primaries[0].command('CLUSTER', 'KEYSLOT', key)).slice(1).trim()
  const index = Math.floor((Number(slot) * 3) / SLOTS)
  const [owner, ...others] = [...primaries.slice(index), ...primaries.slice(0, index)]
  return { slot, owner: owner as RedisServerProcess, others }
}

/** Moves a slot with its keys from one primary to another, while the cluster is in use. */
export async function moveSlot(
  slot: string,
  from: RedisServerProcess,
  [to, ...others]: readonly RedisServerProcess[],
): Promise<void> {
  if (!to) throw new Error('no other primary')
  const idOf = async ({ command }: RedisServerProcess) =>
    `${(await command('CLUSTER', 'MYID')).split('\r\n')[1]}`
  const [fromId, toId] = [await idOf(from), await idOf(to)]
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
  for (;;) {
    const reply = await from.command('CLUSTER', 'GETKEYSINSLOT', slot, '100')
    const keys = reply.split('\r\n').filter((line) => line.includes(':'))
    if (keys.length === 0) break
    for (const key of keys)
      await from.command('MIGRATE', '127.0.0.1', `${to.port}`, key, '0', '1000')
  }
  for (const { command } of [to, from, ...others])
    await command('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
}
