import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './local-server.ts'
import { skipWithout } from './skip-without.ts'
import { until } from './wait.ts'

/** A test, or anything else that ends what was started for it. */
export type Owner = Pick<Test, 'teardown'>

/** The `skip` option of tests that need Redis. */
export const skipWithoutRedis = await skipWithout('redis-server', '--version')

/** A `redis-server` process on a loopback port, which saves nothing. */
export interface RedisServerProcess {
  port: number
  url: string
  /** Sends one command and returns its reply as it was sent (RESP2). */
  command: (...args: string[]) => Promise<string>
  /** The names of all keys that match a pattern. */
  keys: (pattern: string) => Promise<string[]>
  signal: (signal: NodeJS.Signals) => void
  /** Starts it again on the same port, empty. */
  restart: () => Promise<void>
  kill: () => Promise<void>
}

/**
 * Starts Redis. It ends with its owner.
 * @param options of the command line, such as `--maxmemory 1mb`, or a configuration file
 */
export async function startRedis(t: Owner, ...options: string[]): Promise<RedisServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'))
  const port = await freePort()
  let child: ChildProcess
  const start = async () => {
    const config = options.filter((option) => option.endsWith('.conf'))
    const noFiles = config.length > 0 ? [] : ['--save', '', '--appendonly', 'no']
    const place = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder]
    const others = options.filter((option) => !config.includes(option))
    const args = [...config, ...place, ...noFiles, ...others]
    child = spawn('redis-server', args, { stdio: 'ignore' })
    await until(() => canConnect(port))
  }
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await start()
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (...args) => sendCommand(port, args),
    keys: async (pattern) => {
      const lines = (await sendCommand(port, ['KEYS', pattern])).split('\r\n')
      return lines.filter((line) => /^[^*$]/.test(line))
    },
    signal: (signal) => child.kill(signal),
    kill,
    restart: async () => {
      await kill()
      await start()
    },
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })
}

/** Sends a command in RESP and closes its half of the connection, so Redis closes the other half after the reply. */
async function sendCommand(port: number, args: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
  socket.end(`*${args.length}\r\n${parts.join('')}`)
  let reply = ''
  for await (const chunk of socket.setEncoding('utf8')) reply += chunk
  return reply
}
