import type { Clock } from '../async/clock.ts'
import { errorCode } from '../telemetry/error-serializer.ts'
import { PendingAnswers } from './pending-answers.ts'
import type { RedisClient, RedisClientOptions } from './redis-client.ts'
import { RedisRejectionError } from './redis-rejection-error.ts'

interface RedisConnectionOptions extends Pick<Clock, 'now' | 'schedule'> {
  createClient: (options: RedisClientOptions) => RedisClient
  /** The key that is written to find out whether Redis accepts writes. */
  probeKey: string
  /** Limit for one command; milliseconds. */
  timeoutMs: number
  /** Called for each change, and for the result of the first attempt. */
  onStateChange: (isAvailable: boolean, reason: string) => void
  /** Called when Redis does not answer in time, or is unavailable. Callers must stop waiting for Redis. */
  onInterruption: () => void
  /** Called for each command. `rejected`: Redis answered with an error, whose kind, such as OOM, is the reason. */
  onCommand: (outcome: 'success' | 'failure' | 'rejected', reason?: string) => void
}

/** Limit for an attempt to connect; milliseconds. */
const CONNECT_MS = 2_000
/** While Redis is unavailable, it is tried this often. */
const RETRY_MS = 500
const PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', 1000)"
/** After these errors, another connection can lead to another server, or with another password. */
const NEEDS_RECONNECT: ReadonlySet<string> = new Set([
  'LOADING',
  'MASTERDOWN',
  'NOAUTH',
  'READONLY',
])

/**
 * Executes Lua scripts with a time limit. After a script without an answer in time, all scripts fail immediately, those that
 * wait for their answer too, until Redis answers in time again. So a caller waits for a failing Redis only once. If it does
 * not answer for longer, or a connection is lost, Redis is unavailable, and a new client connects.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions
  readonly #pending: PendingAnswers
  readonly #listeners = new Map<string, (message: string) => void>()
  readonly #tasks = new Set<() => Promise<number>>()
  /** Cancel what is scheduled. */
  readonly #timers = new Set<() => void>()
  #client: RedisClient | undefined
  /** Whether scripts are sent. */
  #isResponsive = false
  /** What was reported; `undefined` until the first attempt has ended. */
  #isAvailable: boolean | undefined

  constructor(options: RedisConnectionOptions) {
    this.#options = options
    this.#pending = new PendingAnswers(options.now, options.schedule)
  }

  /** Whether there is a connection on which Redis answers. It can be too slow for a moment. */
  get isAvailable(): boolean {
    return this.#isAvailable === true
  }

  /** Subscribes to a channel. Call it before {@link open}. Messages can be lost. */
  subscribe(channel: string, listener: (message: string) => void): void {
    this.#listeners.set(channel, listener)
  }

  /**
   * Runs a task whenever Redis becomes available, and then repeatedly.
   * @param task returns the milliseconds until its next run; never rejects
   */
  repeat(task: () => Promise<number>): void {
    this.#tasks.add(task)
    if (this.#isAvailable) this.#run(task)
  }

  /** Connects, and tries again until it succeeds. Resolves after the first attempt. */
  async open(): Promise<void> {
    const client: RedisClient = this.#options.createClient({
      channels: [...this.#listeners.keys()],
      onMessage: (channel, message) => this.#listeners.get(channel)?.(message),
      onError: (error) => this.#fail(client, error),
    })
    this.#client = client
    try {
      await this.#pending.within(client.connect(), CONNECT_MS)
    } catch (error) {
      return this.#fail(client, error)
    }
    await this.#probe(client)
    if (this.#client !== client) return
    this.#setState(true, 'connected')
    for (const task of this.#tasks) this.#run(task)
  }

  /** The result of a script, or `undefined` if Redis is unavailable, does not answer in time, or rejects the script. */
  async eval(script: string, keys: string[], args: (string | number)[]): Promise<unknown> {
    const { onCommand, timeoutMs } = this.#options
    const client = this.#client
    if (!client || !this.#isResponsive) return undefined
    try {
      const result = await this.#pending.within(
        client.eval(script, keys, args.map(String)),
        timeoutMs,
      )
      onCommand('success')
      return result
    } catch (error) {
      onCommand(error instanceof RedisRejectionError ? 'rejected' : 'failure', reasonOf(error))
      if (errorCode(error) === 'ETIMEDOUT') this.#suspend(client, error)
      else if (needsReconnect(error)) this.#fail(client, error)
      return undefined
    }
  }

  close(): void {
    this.#isAvailable = false
    this.#isResponsive = false
    this.#cancelTimers()
    this.#client?.destroy()
    this.#client = undefined
  }

  /** Sends no scripts until Redis answers in time again. */
  async #suspend(client: RedisClient, error: unknown): Promise<void> {
    if (this.#client !== client || !this.#isResponsive) return
    this.#isResponsive = false
    this.#pending.rejectAll(error)
    this.#options.onInterruption()
    // The first probe waits for the end of the delay. The second one shows whether Redis is fast again.
    try {
      await this.#pending.within(client.eval(PROBE, [this.#options.probeKey], []), RETRY_MS)
    } catch (probeError) {
      if (needsReconnect(probeError)) return this.#fail(client, error)
    }
    await this.#probe(client)
  }

  /** Sends scripts again, unless the probe has no answer in time, or its error needs another connection. */
  async #probe(client: RedisClient): Promise<void> {
    const { probeKey, timeoutMs } = this.#options
    try {
      await this.#pending.within(client.eval(PROBE, [probeKey], []), timeoutMs)
    } catch (error) {
      if (needsReconnect(error)) return this.#fail(client, error)
    }
    if (this.#client === client) this.#isResponsive = true
  }

  #fail(client: RedisClient, error: unknown): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#isResponsive = false
    this.#cancelTimers()
    client.destroy()
    this.#setState(false, reasonOf(error))
    this.#options.onInterruption()
    this.#schedule(RETRY_MS, () => this.open())
  }

  #setState(isAvailable: boolean, reason: string): void {
    if (this.#isAvailable === isAvailable) return
    this.#isAvailable = isAvailable
    this.#options.onStateChange(isAvailable, reason)
  }

  async #run(task: () => Promise<number>): Promise<void> {
    const client = this.#client
    const delayMs = await task()
    if (client && this.#client === client) this.#schedule(delayMs, () => this.#run(task))
  }

  #schedule(delayMs: number, task: () => void): void {
    const cancel = this.#options.schedule(delayMs, () => {
      this.#timers.delete(cancel)
      task()
    })
    this.#timers.add(cancel)
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }
}

function needsReconnect(error: unknown): boolean {
  return !(error instanceof RedisRejectionError) || NEEDS_RECONNECT.has(error.message)
}

/** A code or a name. Messages of errors can hold anything. */
function reasonOf(error: unknown): string {
  if (error instanceof RedisRejectionError) return error.message
  return errorCode(error) ?? (error instanceof Error ? error.constructor.name : 'Error')
}
