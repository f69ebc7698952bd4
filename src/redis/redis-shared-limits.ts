import type { Clock } from '../async/clock.ts'
import { withTimeout } from '../async/with-timeout.ts'
import type { CallPause, LimitedReplica, SharedLimits } from '../cdf/shared-limits.ts'
import { CLAIM, LEAVE, PAUSE } from './limit-scripts.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'

interface RedisSharedLimitsOptions extends Pick<Clock, 'schedule'> {
  redis: RedisConnection
  keys: RedisKeys
  /** Id of this replica. */
  replica: string
  /** Greatest number of calls in flight, all replicas together. */
  maxConcurrency: number
}

/** A replica claims its share this often, and sooner while it has less. It counts as live for {@link LIVE_MS}. */
const CLAIM_MS = { usual: 500, small: 100 }
const LIVE_MS = 3_000
/** For this time, a replica that comes back claims no more than its last share: others may not have claimed yet. */
const SETTLE_MS = 2_000
/** A new replica that has no share after this time starts nevertheless. */
const START_MS = 1_000
/** CDF demands no longer pause, and a circuit breaker is open for less. */
const MAX_PAUSE_MS = 60_000

/** The limits of a fleet in Redis. While Redis is unavailable, a replica keeps its last share. */
export class RedisSharedLimits implements SharedLimits {
  readonly #options: RedisSharedLimitsOptions
  readonly #started = Promise.withResolvers<void>()
  #member: LimitedReplica | undefined
  #replicas = 1
  /** The present share; `undefined` before the first claim. */
  #share: number | undefined
  #claim: Promise<unknown> = Promise.resolve()

  constructor(options: RedisSharedLimitsOptions) {
    this.#options = options
    options.redis.subscribe(options.keys.limits, (message) => this.#onMessage(message))
  }

  get replicas(): number {
    return this.#replicas
  }

  async start(member: LimitedReplica): Promise<void> {
    const { redis, schedule, maxConcurrency } = this.#options
    this.#member = member
    redis.repeat(() => this.#claimShare(true))
    await withTimeout(this.#started.promise, START_MS, schedule, undefined)
    // Without Redis, the replica works alone.
    this.#share ??= maxConcurrency
  }

  /** Ends the wait in {@link start}, because Redis is unavailable. */
  skipStart(): void {
    this.#started.resolve()
  }

  pause({ coolDownMs, openMs }: CallPause): void {
    const { redis, keys, replica } = this.#options
    const [coolDown, open] = [Math.ceil(coolDownMs), Math.ceil(openMs)]
    const message = `${replica} ${coolDown} ${open}`
    const args = [coolDown, open, MAX_PAUSE_MS, keys.limits, message]
    redis.eval(PAUSE, [keys.coolDown, keys.openBreaker], args)
  }

  /** Leaves the fleet, so that the other replicas get the share immediately. */
  async stop(): Promise<void> {
    const { redis, keys, replica } = this.#options
    this.#member = undefined
    await redis.eval(LEAVE, [keys.replicas], [replica])
  }

  /** A pause of another replica, or its request for a share. */
  #onMessage(message: string): void {
    const { replica } = this.#options
    const [, sender, coolDownMs, openMs] = MESSAGE.exec(message) ?? []
    if (sender === undefined || sender === replica) return
    if (openMs === undefined) this.#claimShare(false)
    else this.#adoptPause(Number(coolDownMs), Number(openMs))
  }

  #adoptPause(coolDownMs: number, openMs: number): void {
    this.#member?.adoptPause({
      coolDownMs: Math.min(coolDownMs, MAX_PAUSE_MS),
      openMs: Math.min(openMs, MAX_PAUSE_MS),
    })
  }

  /** Claims one after the other, because each one depends on the share before. */
  #claimShare(requestsShare: boolean): Promise<number> {
    const claim = this.#claim.then(() => this.#claimOnce(requestsShare))
    this.#claim = claim
    return claim
  }

  /** @returns milliseconds until the next claim */
  async #claimOnce(requestsShare: boolean): Promise<number> {
    const { redis, keys, replica, maxConcurrency } = this.#options
    const member = this.#member
    if (!member) return CLAIM_MS.usual
    const before = this.#share ?? 0
    const inUse = Math.max(before, member.callsInFlight)
    const names = [keys.replicas, keys.coolDown, keys.openBreaker]
    const limits = [maxConcurrency, LIVE_MS, SETTLE_MS, MAX_PAUSE_MS]
    const channel = requestsShare ? keys.limits : ''
    const answer = await redis.eval(CLAIM, names, [replica, inUse, channel, ...limits])
    if (!Array.isArray(answer)) return CLAIM_MS.usual
    const [replicas = 1, share = 0, coolDownMs = 0, openMs = 0] = answer.map(Number)
    this.#replicas = Math.max(1, replicas)
    this.#share = Math.min(share, maxConcurrency)
    this.#adoptPause(coolDownMs, openMs)
    member.setMaxConcurrency(this.#share)
    if (this.#share > 0) this.#started.resolve()
    // Claims again, so that the others can use what this replica does not use any more.
    if (this.#share < before) return this.#claimOnce(requestsShare)
    return this.#share < Math.floor(maxConcurrency / replicas) ? CLAIM_MS.small : CLAIM_MS.usual
  }
}

/** The sender, and the milliseconds of a pause if it is one. */
const MESSAGE = /^(\S{1,64})(?: (\d{1,6}) (\d{1,6}))?$/
