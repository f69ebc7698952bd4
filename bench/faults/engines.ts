import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RedisCluster, startRedisCluster } from '../../test/support/redis-cluster.ts'
import { startRedisSentinels } from '../../test/support/redis-sentinel.ts'
import { type Owner, type RedisServerProcess, startRedis } from '../../test/support/redis-server.ts'
import { startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts'

/** Redis for a fault. */
export interface Engine {
  /** The server, or the primary. */
  server: RedisServerProcess
  /** For replica 0, 1, … */
  environment: (replica: number) => Record<string, string>
  /** Between the replicas and the server, one for each replica. */
  proxies: TcpProxy[]
  cluster?: RedisCluster
  /** The server that takes over if the primary is lost. */
  standby?: RedisServerProcess
  /** Changes the password of the server. */
  changePassword: () => Promise<void>
  /** Writes the present password of the server to the file of the replicas. */
  writePassword: () => Promise<void>
}

/** Starts one kind of engine. */
export type StartEngine = (t: Owner, replicas: number) => Promise<Engine>

const noPassword = { changePassword: async () => {}, writePassword: async () => {} }

/** One server. */
export const oneServer: StartEngine = async (t) => {
  const server = await startRedis(t)
  const environment = () => ({ REDIS_URL: server.url })
  return { server, environment, proxies: [], ...noPassword }
}

/** One server, and a proxy for each replica. */
export const behindProxies: StartEngine = async (t, replicas) => {
  const server = await startRedis(t)
  const proxies = await Promise.all(
    Array.from({ length: replicas }, () => startTcpProxy(t, server.port)),
  )
  const environment = (replica: number) => ({
    REDIS_URL: `redis://127.0.0.1:${proxies[replica]?.port}`,
  })
  return { server, environment, proxies, ...noPassword }
}

/** One server with a password, which the replicas read from a file. */
export const withPassword: StartEngine = async (t) => {
  const server = await startRedis(t)
  const folder = await mkdtemp(join(tmpdir(), 'faults-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'password')
  let password = ''
  const changePassword = async () => {
    password = randomBytes(8).toString('hex')
    const rules = ['resetpass', `>${password}`, '~*', '&*', '+@all']
    await server.command('ACL', 'SETUSER', 'service', 'on', ...rules)
    await server.command('CLIENT', 'KILL', 'USER', 'service')
  }
  const writePassword = () => writeFile(file, password)
  await changePassword()
  await writePassword()
  const environment = () => ({
    REDIS_URL: `redis://service@127.0.0.1:${server.port}`,
    REDIS_PASSWORD_FILE: file,
  })
  return { server, environment, proxies: [], changePassword, writePassword }
}

/** Sentinels, a primary and its replica. */
export const sentinels: StartEngine = async (t) => {
  const { primary, replica: standby, environment } = await startRedisSentinels(t)
  return { server: primary, standby, environment: () => environment, proxies: [], ...noPassword }
}

/** A cluster of three primaries, each with a replica. */
export const cluster: StartEngine = async (t) => {
  const started = await startRedisCluster(t, { replicas: 3 })
  const environment = () => ({ REDIS_URL: started.url, REDIS_MODE: 'cluster' })
  const [server] = started.nodes as [RedisServerProcess]
  return { server, environment, proxies: [], cluster: started, ...noPassword }
}
