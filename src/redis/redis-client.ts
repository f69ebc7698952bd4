import type { RedisClientOptions as ConnectionOptions, RedisClientType } from '@redis/client'
import { createClient, createCluster, ErrorReply } from '@redis/client'
import { findPrimary } from './find-primary.ts'
import { RedisRejectionError } from './redis-rejection-error.ts'

/** A client of the library for one server process. */
export type SingleServerClient = RedisClientType

/** One server process. */
export interface RedisAddress {
  host: string
  port: number
}

/** How to reach Redis or Valkey. */
export interface RedisServer {
  mode: 'standalone' | 'sentinel' | 'cluster'
  /** One node, or several for discovery: the sentinels, or some nodes of the cluster. */
  nodes: readonly RedisAddress[]
  /** The name of the primary; only for sentinels. */
  sentinelName: string | undefined
  tls: boolean
  database: number
  username: string | undefined
  /** Called for each connection, so that the password can be rotated. */
  readPassword: () => Promise<string | undefined>
}

/** The configuration for Redis. */
export interface RedisSettings {
  server: RedisServer
  /** Before every key and channel. */
  keyPrefix: string
  /** Limit for one command; milliseconds. */
  timeoutMs: number
}

/** Options of a {@link RedisClient}. */
export interface RedisClientOptions {
  /** Sharded channels to subscribe to: in a cluster, a message stays within one shard. */
  channels: readonly string[]
  onMessage: (channel: string, message: string) => void
  /** Called when a connection is lost. The client cannot be used any more then. */
  onError: (error: unknown) => void
}

/** A client that does not reconnect: after a failure, its owner replaces it. */
export interface RedisClient {
  /** Connects and subscribes. Rejects if that fails. */
  connect(): Promise<void>
  /**
   * Executes a Lua script.
   * @throws RedisRejectionError if Redis answers with an error; other errors if there is no answer
   */
  eval(script: string, keys: string[], args: string[]): Promise<unknown>
  destroy(): void
}

/** Time limits for a TCP connection, and for a silent connection, which has a ping every second; milliseconds. */
const TIME_LIMITS = { connectTimeout: 1_000, socketTimeout: 3_000 }
const PING_INTERVAL_MS = 1_000
/** Commands that wait for their answer. Beyond it, a command fails immediately. */
const MAX_QUEUED_COMMANDS = 10_000

/** Returns a function that creates clients for a server. */
export function redisClientFactory(
  server: RedisServer,
): (options: RedisClientOptions) => RedisClient {
  const connection = connectionOptions(server)
  // The library takes 50 ms for each new kind of client, so all nodes get duplicates of one.
  const node: SingleServerClient = createClient(connection)
  return (options) => {
    const onError = (error: unknown) => options.onError(toRejection(error))
    const client =
      server.mode === 'cluster'
        ? clusterClient(connection, server, { ...options, onError })
        : nodeClient(node, server, { ...options, onError })
    return {
      connect: () => client.connect().catch(rethrow),
      eval: (...args) => client.eval(...args).catch(rethrow),
      destroy: () => client.destroy(),
    }
  }
}

function toRejection(error: unknown): unknown {
  return error instanceof ErrorReply ? new RedisRejectionError(error.message) : error
}

function rethrow(error: unknown): never {
  throw toRejection(error)
}

function connectionOptions({ tls, database, username, readPassword }: RedisServer) {
  return {
    socket: { ...TIME_LIMITS, reconnectStrategy: false, ...(tls && { tls: true as const }) },
    database,
    pingInterval: PING_INTERVAL_MS,
    commandsQueueMaxLength: MAX_QUEUED_COMMANDS,
    disableOfflineQueue: true,
    // Each command has a time limit anyway.
    commandOptions: { timeout: 0 },
    // Commands that many managed services do not allow.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    credentialsProvider: {
      type: 'async-credentials-provider',
      credentials: async () => {
        const password = await readPassword()
        return { ...(username && { username }), ...(password && { password }) }
      },
    },
  } satisfies ConnectionOptions
}

/** One connection for commands and one for messages. */
function nodeClient(
  kind: SingleServerClient,
  server: RedisServer,
  { channels, onMessage, onError }: RedisClientOptions,
): RedisClient {
  const create = (node: RedisAddress) =>
    kind.duplicate({ socket: { ...kind.options?.socket, ...node } }).on('error', onError)
  let commands: SingleServerClient | undefined
  let subscriber: SingleServerClient | undefined
  let isDestroyed = false
  return {
    connect: async () => {
      const [first] = server.nodes
      const node = server.mode === 'sentinel' ? await findPrimary(kind, server) : first
      if (isDestroyed || !node) return
      commands = create(node)
      subscriber = create(node)
      await Promise.all([commands.connect(), subscriber.connect()])
      for (const channel of channels)
        await subscriber.sSubscribe(channel, (message) => onMessage(channel, message))
    },
    eval: async (script, keys, args) => commands?.eval(script, { keys, arguments: args }),
    destroy: () => {
      isDestroyed = true
      commands?.destroy()
      subscriber?.destroy()
    },
  }
}

/** The client of a cluster. It follows redirections by itself. */
function clusterClient(
  connection: ReturnType<typeof connectionOptions>,
  server: RedisServer,
  { channels, onMessage, onError }: RedisClientOptions,
): RedisClient {
  const cluster = createCluster({
    rootNodes: server.nodes.map((node) => ({ socket: { ...node } })),
    defaults: connection,
    commandOptions: connection.commandOptions,
  })
  let isDestroyed = false
  for (const event of ['error', 'node-error', 'sharded-channel-moved-error'])
    cluster.on(event, onError)
  // A discovery that was in progress when the client was destroyed opens connections afterwards.
  cluster.on('node-ready', () => isDestroyed && cluster.destroy())
  return {
    connect: async () => {
      await cluster.connect()
      for (const channel of channels)
        await cluster.sSubscribe(channel, (message) => onMessage(channel, message))
    },
    eval: (script, keys, args) => cluster.eval(script, { keys, arguments: args }),
    destroy: () => {
      isDestroyed = true
      cluster.destroy()
    },
  }
}
