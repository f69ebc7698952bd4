import { type JobId, parseJobId } from '../cdf/job-id.ts'
import type { RedisConnection } from './redis-connection.ts'

interface RedisJobAnnouncementsOptions {
  redis: RedisConnection
  /** The key of the stream, and the name of the channel. */
  stream: string
  /** Id of this replica. */
  replica: string
}

/** A lost message is found in the stream after this time at the latest. */
const CATCH_UP_MS = 500
/** More than all replicas can add in that time. */
const MAX_ENTRIES = 1_000
const STREAM_TTL_MS = 10_000
const MAX_MESSAGE_LENGTH = 150

/**
 * Adds an entry to the stream and publishes it. Without memory or the right for the stream, publishes it only. Replaces a key
 * of another type, and a stream that takes no entry any more.
 */
const ANNOUNCE = `
local add = { 'XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'read', ARGV[1] }
local id = redis.pcall(unpack(add))
local err = id.err or ''
if string.find(err, 'WRONGTYPE', 1, true) or string.find(err, 'last possible ID', 1, true) then
  redis.call('DEL', KEYS[1])
  id = redis.pcall(unpack(add))
end
if id.err then id = '-' else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('SPUBLISH', KEYS[1], id .. ' ' .. ARGV[1])`

/**
 * Returns the entries after an id, or all if that entry is gone: the stream can have been trimmed, or be a new one. Ignores
 * entries that are longer than a message, and deletes the stream then: it could not be read in time.
 */
const CATCH_UP = `
local last = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
local from = last[1] and '(' .. ARGV[1] or '-'
local entries = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[2])) do
  local bytes = 0
  for _, text in ipairs(entry[2]) do bytes = bytes + #text end
  if bytes > tonumber(ARGV[3]) then redis.call('DEL', KEYS[1]) else table.insert(entries, entry) end
end
return entries`

/**
 * Announcements through Redis: a message for speed, and an entry in a stream in case that the message is lost. Both hold the
 * sender and the job id, never a result.
 */
export class RedisJobAnnouncements {
  readonly #options: RedisJobAnnouncementsOptions
  readonly #listeners = new Set<(jobId: JobId | undefined) => void>()
  /** Id of the last entry that was read from the stream. */
  #lastId = '0-0'
  /** Ids of entries that arrived as messages since the stream was read, and before that. */
  #received = new Set<string>()
  #receivedBefore = new Set<string>()

  constructor(options: RedisJobAnnouncementsOptions) {
    this.#options = options
    options.redis.subscribe(options.stream, (message) => this.#onMessage(message))
    options.redis.repeat(() => this.#catchUp())
  }

  /** Notifies the other replicas that this one has released the lease of a job. */
  async announce(jobId: JobId): Promise<void> {
    const { redis, stream, replica } = this.#options
    await redis.eval(ANNOUNCE, [stream], [`${replica} ${jobId}`, MAX_ENTRIES, STREAM_TTL_MS])
  }

  /**
   * @param listener gets the job, or `undefined` if announcements can have been lost
   * @returns unsubscribe
   */
  subscribe(listener: (jobId: JobId | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Notifies the listeners that announcements can have been lost. */
  notifyLoss(): void {
    for (const listener of [...this.#listeners]) listener(undefined)
  }

  #onMessage(message: string): void {
    if (message.length > MAX_MESSAGE_LENGTH) return
    const [id = '', sender, job] = message.split(' ')
    this.#received.add(id)
    this.#deliver(sender, job)
  }

  async #catchUp(): Promise<number> {
    const { redis, stream } = this.#options
    const args = [this.#lastId, MAX_ENTRIES, MAX_MESSAGE_LENGTH]
    const entries = await redis.eval(CATCH_UP, [stream], args)
    for (const [id, fields] of Array.isArray(entries) ? entries : []) {
      this.#lastId = `${id}`
      const [sender, job] = `${fields?.[1]}`.slice(0, MAX_MESSAGE_LENGTH).split(' ')
      const isNew = !this.#received.has(this.#lastId) && !this.#receivedBefore.has(this.#lastId)
      if (isNew) this.#deliver(sender, job)
    }
    // A message can overtake the answer with the stream, which then lacks its entry.
    this.#receivedBefore = this.#received
    this.#received = new Set()
    return CATCH_UP_MS
  }

  #deliver(sender: string | undefined, job = ''): void {
    const jobId = parseJobId(job)
    if (sender === this.#options.replica || jobId === undefined) return
    for (const listener of [...this.#listeners]) listener(jobId)
  }
}
