import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { freePort } from '../../test/support/local-server.ts'
import type { Owner } from '../../test/support/redis-server.ts'
import { untilStatus } from '../support/processes.ts'

/** A replica of the service in its own process. */
export interface Replica {
  url: string
  /** Whether it works with Redis. */
  isAvailable: () => Promise<boolean>
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
  const [port, metricsPort] = [await freePort(), await freePort()]
  const args = preload === undefined ? [] : ['--import', preload]
  const child: ChildProcess = spawn(process.execPath, [...args, SERVER], {
    env: {
      ...simulator.environment,
      AUTH_MODE: 'none',
      PORT: `${port}`,
      METRICS_PORT: `${metricsPort}`,
      RATE_LIMIT_PER_MINUTE: '0',
      UPSTREAM_POLLS_PER_SECOND: '1000',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const logs: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').filter((each) => each.includes('Redis'))) {
      const { msg, reason = '' } = JSON.parse(line) as { msg: string; reason?: string }
      if (logs.length < MAX_LOGS) logs.push(`${msg} ${reason}`.trim())
    }
  })
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  t.teardown(kill)
  const url = `http://127.0.0.1:${port}`
  await untilStatus(`${url}/health/ready`, 200)
  return {
    url,
    isAvailable: async () => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
      return /_redis_available 1$/m.test(await response.text())
    },
    logs,
    kill,
  }
}
