import { setTimeout as sleep } from 'node:timers/promises'
import { FALSE_REPLICA_MS, writeHostileValues } from '../../simulator/hostile-redis-values.ts'
import { moveSlot, shardOf } from '../../test/support/redis-cluster.ts'
import type { RedisServerProcess } from '../../test/support/redis-server.ts'
import { until } from '../../test/support/wait.ts'
import type { Engine, StartEngine } from './engines.ts'
import { behindProxies, cluster, oneServer, sentinels, withPassword } from './engines.ts'
import type { FaultLoad } from './load.ts'
import type { Replica } from './replicas.ts'

/** What a fault can be injected into. */
export interface Stage {
  engine: Engine
  replicas: Replica[]
  load: FaultLoad
}

/** A fault under load. */
export interface Fault {
  name: string
  start: StartEngine
  /** The number of replicas at the end of the list that share results; default: all. */
  sharing?: number
  /** A module that replica 0, 1, … loads before the service. */
  preload?: (replica: number) => string | undefined
  /** Injects the fault. Resolves when it has been removed. */
  inject: (stage: Stage) => Promise<void>
  /** Greatest delay of a caller, milliseconds; default: the time limit of a command, and a margin. */
  maxDelayMs?: number
}

const module = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`

/** Sets the wall clock of a process wrong by minutes. */
const wrongClock = (minutes: number) =>
  module(`const now = Date.now; Date.now = () => now() + ${minutes * 60_000}`)

/** Lets the service be another version, which stores results in another form. */
const OTHER_VERSION = module(`import { registerHooks } from 'node:module'
registerHooks({ load (url, context, next) {
  const loaded = next(url, context)
  if (!url.endsWith('/stored-job.ts')) return loaded
  return { ...loaded, source: String(loaded.source).replace('VERSION = 1', 'VERSION = 2') }
} })`)

/** Lets another program write to the keys of the service. */
async function writeGarbage(server: RedisServerProcess, seconds: number): Promise<void> {
  const endMs = performance.now() + 1_000 * seconds
  while (performance.now() < endMs) {
    await writeHostileValues(server, Math.random)
    await sleep(50)
  }
  await sleep(FALSE_REPLICA_MS)
}

/** All faults. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'stopped for 10 s (SIGSTOP)',
    start: oneServer,
    inject: async ({ engine: { server } }) => {
      server.signal('SIGSTOP')
      await sleep(10_000)
      server.signal('SIGCONT')
    },
  },
  {
    name: 'killed, restarted empty after 3 s',
    start: oneServer,
    inject: async ({ engine: { server } }) => {
      await server.kill()
      await sleep(3_000)
      await server.restart()
    },
  },
  ...['noeviction', 'allkeys-lru'].map((policy) => ({
    name: `full for 6 s (${policy})`,
    start: oneServer,
    inject: async ({ engine: { server } }: Stage) => {
      await server.command('CONFIG', 'SET', 'maxmemory-policy', policy)
      const used = /^used_memory:(\d+)/m.exec(await server.command('INFO', 'memory'))?.[1]
      const limit = policy === 'noeviction' ? '1' : `${used}`
      await server.command('CONFIG', 'SET', 'maxmemory', limit)
      await sleep(6_000)
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    },
  })),
  {
    name: 'primary killed, failover by sentinels',
    start: sentinels,
    inject: async ({ engine: { server, standby } }) => {
      await server.kill()
      await until(async () => `${await standby?.command('ROLE')}`.includes('master'))
    },
  },
  {
    name: 'slots of a cluster move',
    start: cluster,
    inject: async ({ engine }) => {
      if (!engine.cluster) throw new Error('no cluster')
      const keys = ['{fleet}', ...Array.from({ length: 20 }, (_, number) => `{${number}}`)]
      for (const key of keys) {
        const { slot, owner, others } = await shardOf(engine.cluster, key)
        await moveSlot(slot, owner, others)
      }
    },
  },
  {
    name: 'node of a cluster lost, failover',
    start: cluster,
    inject: async ({ engine }) => {
      if (!engine.cluster) throw new Error('no cluster')
      const { owner, others } = await shardOf(engine.cluster, '{fleet}')
      await owner.kill()
      for (const state of ['fail', 'ok'])
        await until(async () =>
          `${await others[0]?.command('CLUSTER', 'INFO')}`.includes(`cluster_state:${state}`),
        )
    },
  },
  ...(['requests', 'answers'] as const).map((drops) => ({
    name: `${drops} of one replica dropped for 6 s`,
    start: behindProxies,
    inject: async ({ engine: { proxies } }: Stage) => {
      const [proxy] = proxies
      if (!proxy) throw new Error('no proxy')
      proxy.drops = drops
      await sleep(6_000)
      proxy.drops = undefined
    },
  })),
  {
    name: '200 ms slow for 6 s',
    start: behindProxies,
    inject: async ({ engine: { proxies } }) => {
      for (const proxy of proxies) proxy.delayMs = 200
      await sleep(6_000)
      for (const proxy of proxies) proxy.delayMs = 0
    },
  },
  {
    name: 'password changed, new one after 4 s',
    start: withPassword,
    inject: async ({ engine: { changePassword, writePassword } }) => {
      await changePassword()
      await sleep(4_000)
      await writePassword()
    },
  },
  {
    name: 'garbage in all keys for 6 s',
    start: oneServer,
    inject: ({ engine: { server } }) => writeGarbage(server, 6),
  },
  {
    name: 'replica killed while it reads',
    start: oneServer,
    // The lease of the dead replica.
    maxDelayMs: 1_100,
    inject: async ({ replicas, load }) => {
      const victim = replicas.shift() as Replica
      load.remove(victim)
      await victim.kill()
      await sleep(3_000)
    },
  },
  {
    name: 'clocks five minutes apart',
    start: oneServer,
    preload: (replica) => wrongClock(5 * (replica - 1)),
    inject: () => sleep(8_000),
  },
  {
    name: 'two versions of the service',
    start: oneServer,
    preload: (replica) => (replica === 0 ? OTHER_VERSION : undefined),
    sharing: 2,
    inject: () => sleep(8_000),
  },
]
