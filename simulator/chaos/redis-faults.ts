import { setTimeout as sleep } from 'node:timers/promises'
import { FALSE_REPLICA_MS, writeHostileValues } from '../hostile-redis-values.ts'
import type { RedisServerProcess } from '../redis-server.ts'

/** A fault lasts for up to this time, milliseconds; so does the time until the next one. */
const MAX_MS = 600

/**
 * Injects one fault of Redis after the other: it hangs, is killed, full or emptied, loses its connections, or another program
 * writes to the keys of the service.
 * @param endMs when to stop, a time of `performance.now()`. Redis works when this resolves
 */
export async function injectRedisFaultsUntil(
  endMs: number,
  redis: RedisServerProcess,
  random: () => number,
): Promise<void> {
  const { command, signal } = redis
  const pause = () => sleep(random() * MAX_MS)
  const faults: readonly (() => Promise<unknown>)[] = [
    async () => {
      signal('SIGSTOP')
      await pause()
      signal('SIGCONT')
    },
    async () => {
      await redis.kill()
      await pause()
      await redis.restart()
    },
    async () => {
      await command('CONFIG', 'SET', 'maxmemory', '1')
      await pause()
      await command('CONFIG', 'SET', 'maxmemory', '0')
    },
    () => command('FLUSHALL'),
    () => command('CLIENT', 'KILL', 'TYPE', 'normal'),
    () => command('CLIENT', 'KILL', 'TYPE', 'pubsub'),
    () => writeHostileValues(redis, random),
  ]
  while (performance.now() < endMs) {
    await faults[Math.floor(random() * faults.length)]?.()
    await pause()
  }
  await sleep(FALSE_REPLICA_MS)
}
