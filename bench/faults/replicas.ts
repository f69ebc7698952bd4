import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import type { Owner } from '../../test/support/redis-server.ts'
import { untilStatus } from '../support/processes.ts'

/** A replica of the service in its own process. */
export interface Replica {
  url: string
  /** Whether it works with Redis. */
  isAvailable: () => boolean
  /** The first log lines about Redis. */
  logs: string[]
  kill: () => Promise<void>
}

/** Options of {@link startReplica}. */
export interface ReplicaOptions {
  environment: Record<string, string>
  /** A module that is loaded before the service. */
  preload?: string
}

const SERVER = resolve(import.meta.dirname, '../../src/server.ts')
const MAX_LOGS = 20

/** Starts a replica, which is ready when this resolves. */
export async function startReplica(
  t: Owner,
  simulator: Simulator,
  { environment, preload }: ReplicaOptions,
): Promise<Replica> {
  const args = preload === undefined ? [] : ['--import', preload]
  const child = spawn(process.execPath, [...args, SERVER], {
    env: {
      ...simulator.environment,
      AUTH_MODE: 'none',
      PORT: '0',
      METRICS_PORT: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      UPSTREAM_POLLS_PER_SECOND: '1000',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const logs: string[] = []
  let isAvailable = false
  const listening = Promise.withResolvers<string>()
  createInterface(child.stdout).on('line', (line) => {
    const { msg, reason = '' } = JSON.parse(line) as { msg: string; reason?: string }
    const [, url] = /listening at (\S+)$/.exec(msg) ?? []
    if (url) listening.resolve(url)
    if (!msg.includes('Redis')) return
    if (/ (un)?available$/.test(msg)) isAvailable = msg === 'Redis available'
    if (logs.length < MAX_LOGS) logs.push(`${msg} ${reason}`.trim())
  })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const endWithProcess = () => child.kill('SIGKILL')
  process.once('exit', endWithProcess)
  child.once('exit', () => process.off('exit', endWithProcess))
  t.teardown(kill)
  const url = await listening.promise
  await untilStatus(`${url}/health/ready`, 200)
  return {
    url,
    isAvailable: () => isAvailable,
    logs,
    kill,
  }
}
