import type { RedisServerProcess } from './redis-server.ts'

/** How long the false replica claims its share of the limits; milliseconds. */
export const FALSE_REPLICA_MS = 1_000

const TEXTS = ['', '\u0000', '1 1 0\n{}', '9'.repeat(100_000), '{"jobId":"1"}']

/** Overwrites the keys of the service with garbage, adds a replica that claims all calls to CDF, and publishes false messages. */
export async function writeHostileValues(
  { command, keys }: RedisServerProcess,
  random: () => number,
): Promise<void> {
  for (const key of await keys('cdf-job-quality:*')) {
    if (key.endsWith(':replicas')) {
      const claim = `999999 ${Date.now() + FALSE_REPLICA_MS} 0`
      await command('HSET', key, 'hostile', claim)
      const channel = key.replace(/replicas$/, 'limits')
      await command('SPUBLISH', channel, `hostile ${'x'.repeat(1_000)}`)
    } else if (random() < 0.3) {
      await command('DEL', key)
      await command('RPUSH', key, 'x')
    } else await command('SET', key, TEXTS[Math.floor(random() * TEXTS.length)] as string)
    if (key.endsWith(':announcements')) {
      await command('SPUBLISH', key, '1-1 hostile 7')
      await command('SPUBLISH', key, 'x'.repeat(1_000))
    }
  }
}
