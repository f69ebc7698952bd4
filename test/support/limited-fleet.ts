import type { Test } from 'tap'
import { scheduleTimeout } from '../../src/async/clock.ts'
import type { CallPause } from '../../src/cdf/shared-limits.ts'
import type { RedisKeys } from '../../src/redis/redis-keys.ts'
import { RedisSharedLimits } from '../../src/redis/redis-shared-limits.ts'
import { keysOf, redisConnection } from './connect-redis.ts'
import type { RedisServerProcess } from './redis-server.ts'

/** The greatest number of calls in flight of a {@link LimitedFleet}. */
export const MAX_CALLS = 8

/** Replicas that share their limits, without the rest of the service. */
export class LimitedFleet {
  static #fleets = 0
  readonly keys: RedisKeys
  readonly #t: Test
  readonly #server: RedisServerProcess
  #replicas = 0

  /** @param server several fleets can use it */
  constructor(t: Test, server: RedisServerProcess | undefined) {
    if (!server) throw new Error('no Redis')
    LimitedFleet.#fleets += 1
    this.keys = keysOf(`fleet-${LimitedFleet.#fleets}:`)
    this.#t = t
    this.#server = server
  }

  /** Starts a replica. It has as many calls in flight as the test says. */
  async join({ opens = true, max = MAX_CALLS } = {}) {
    const { keys } = this
    const { redis } = redisConnection(this.#t, {
      nodes: [{ host: '127.0.0.1', port: this.#server.port }],
    })
    this.#replicas += 1
    const limits = new RedisSharedLimits({
      redis,
      keys,
      replica: `replica-${this.#replicas}`,
      maxConcurrency: max,
      schedule: scheduleTimeout,
    })
    const member = {
      callsInFlight: 0,
      /** -1 = nothing was set, so the configured limit holds. */
      share: -1,
      pauses: [] as CallPause[],
      setMaxConcurrency: (share: number) => {
        member.share = share
      },
      adoptPause: (pause: CallPause) => {
        if (pause.coolDownMs > 0 || pause.openMs > 0) member.pauses.push(pause)
      },
    }
    const started = limits.start(member)
    if (opens) await redis.open()
    else limits.skipStart()
    await started
    return { redis, limits, member }
  }

  /** The sum of the claims that Redis knows. */
  async claims(): Promise<number> {
    const entries = await this.#server.command('HVALS', this.keys.replicas)
    return [...entries.matchAll(/^(\d+) \d+ \d+/gm)].reduce(
      (sum, [, claim]) => sum + Number(claim),
      0,
    )
  }
}
