import { SYSTEM_CLOCK } from '../async/clock.ts'
import { PendingAnswers } from './pending-answers.ts'
import type { RedisAddress, RedisServer, SingleServerClient } from './redis-client.ts'
import { parseRedisNode } from './redis-url.ts'

/** Limit for the answer of a sentinel, connection included; milliseconds. */
const ANSWER_MS = 1_500

const NO_CREDENTIALS = {
  type: 'async-credentials-provider' as const,
  credentials: async () => ({}),
}

/**
 * Queries all sentinels for the primary and takes the first answer. It can be outdated for a moment after a failover.
 * @param kind a client with the options for the primary
 * @throws the error of the first sentinel if none of them has an answer
 * @see https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
export async function findPrimary(
  kind: SingleServerClient,
  { nodes, sentinelName = '' }: RedisServer,
): Promise<RedisAddress> {
  const withPassword = kind.duplicate({ database: 0 })
  const withoutPassword = kind.duplicate({ database: 0, credentialsProvider: NO_CREDENTIALS })

  const pending = new PendingAnswers(SYSTEM_CLOCK.now, SYSTEM_CLOCK.schedule)

  async function query(node: RedisAddress, client: SingleServerClient): Promise<RedisAddress> {
    const socket = { ...client.options?.socket, ...node }
    const sentinel = client.duplicate({ socket }).on('error', () => {})
    const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', sentinelName]
    const answer = sentinel.connect().then((): Promise<unknown> => sentinel.sendCommand(command))
    try {
      const address = await pending.within(answer, ANSWER_MS)
      const [host, port] = Array.isArray(address) ? address : []
      const isIpv6 = `${host}`.includes(':')
      const primary = parseRedisNode(isIpv6 ? `[${host}]:${port}` : `${host}:${port}`)
      if (!primary) throw Object.assign(new Error('no primary'), { code: 'UNKNOWN_PRIMARY' })
      return primary
    } finally {
      sentinel.destroy()
    }
  }

  const answers = nodes.map((node) =>
    query(node, withoutPassword).catch((error: unknown) => {
      // Sentinels that require a password have the same one as the primary.
      if (/^(NOAUTH|WRONGPASS)/.test(String((error as Error).message)))
        return query(node, withPassword)
      throw error
    }),
  )
  return Promise.any(answers).catch(({ errors: [first] }: AggregateError) => {
    throw first
  })
}
