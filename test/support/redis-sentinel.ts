import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Owner, type RedisServerProcess, startRedis } from './redis-server.ts'
import { until } from './wait.ts'

/** Sentinels with a primary and a replica. */
export interface RedisSentinels {
  primary: RedisServerProcess
  replica: RedisServerProcess
  sentinels: RedisServerProcess[]
  /** For the service. */
  environment: { REDIS_URL: string; REDIS_MODE: string; REDIS_SENTINEL_NAME: string }
}

/** The primary counts as down after this time, milliseconds. */
const DOWN_AFTER_MS = 500
const NAME = 'primary'

/**
 * Starts a primary, a replica and three sentinels that know each other.
 * @param options of the primary and the replica
 */
export async function startRedisSentinels(t: Owner, ...options: string[]): Promise<RedisSentinels> {
  const primary = await startRedis(t, '--repl-diskless-sync-delay', '0', ...options)
  const replica = await startRedis(t, '--replicaof', '127.0.0.1', `${primary.port}`, ...options)
  await until(async () => (await replica.command('INFO', 'replication')).includes('status:up'))
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const sentinels = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const file = join(folder, `${number}.conf`)
      await writeFile(
        file,
        [
          `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 2`,
          `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
          `sentinel failover-timeout ${NAME} 3000\n`,
        ].join('\n'),
      )
      return startRedis(t, file, '--sentinel')
    }),
  )
  for (const { command } of sentinels)
    await until(async () => {
      const reply = await command('SENTINEL', 'MASTER', NAME)
      const fields = reply.split('\r\n')
      const value = (field: string) => fields.at(fields.indexOf(field) + 2)
      return value('num-other-sentinels') === '2' && value('num-slaves') === '1'
    })
  const nodes = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return {
    primary,
    replica,
    sentinels,
    environment: {
      REDIS_URL: `redis://${nodes}`,
      REDIS_MODE: 'sentinel',
      REDIS_SENTINEL_NAME: NAME,
    },
  }
}
