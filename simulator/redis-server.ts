import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A `redis-server` process on a loopback port, which saves nothing. */
export interface RedisServerProcess {
  port: number
  url: string
  /** Sends one command and returns its reply as it was sent (RESP2). */
  command: (...args: string[]) => Promise<string>
  /** The names of all keys that match a pattern. */
  keys: (pattern: string) => Promise<string[]>
  signal: (signal: NodeJS.Signals) => void
  kill: () => Promise<void>
  /** Starts it again on the same port, empty. */
  restart: () => Promise<void>
  /** Ends it, and removes its folder. */
  stop: () => Promise<void>
}

/**
 * Starts `redis-server`. It ends with this process, if it has not been stopped before.
 * @param options of the command line, such as `--maxmemory 1mb`, or a configuration file
 * @throws an error with the code ENOENT if it is not installed
 */
export async function startRedisServer(...options: string[]): Promise<RedisServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const port = await freePort()
  const config = options.filter((option) => option.endsWith('.conf'))
  const args = [
    ...config,
    ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder],
    ...(config.length > 0 ? [] : ['--save', '', '--appendonly', 'no']),
    ...options.filter((option) => !config.includes(option)),
  ]
  let child: ChildProcess
  const start = async () => {
    // Ctrl-C in the terminal does not end it before the service.
    child = spawn('redis-server', args, { stdio: 'ignore', detached: true })
    const failed = Promise.race([
      once(child, 'error').then(([error]) => Promise.reject(error)),
      once(child, 'exit').then(() => Promise.reject(new Error('redis-server has exited'))),
    ])
    // A later exit is no failure to start.
    failed.catch(() => {})
    while (!(await Promise.race([canConnect(port), failed]))) await sleep(10)
  }
  const kill = async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    // SIGKILL also ends a stopped process.
    child.kill('SIGKILL')
    await ended
  }
  const endWithProcess = () => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  await start()
  process.once('exit', endWithProcess)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (...command) => send(port, command),
    keys: async (pattern) => {
      const lines = (await send(port, ['KEYS', pattern])).split('\r\n')
      return lines.filter((line) => /^[^*$]/.test(line))
    },
    signal: (signal) => child.kill(signal),
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    stop: async () => {
      process.off('exit', endWithProcess)
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })
}

/** Sends a command in RESP and closes its half of the connection, so Redis closes the other half after the reply. */
async function send(port: number, command: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const parts = command.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
  socket.end(`*${command.length}\r\n${parts.join('')}`)
  let reply = ''
  for await (const chunk of socket.setEncoding('utf8')) reply += chunk
  return reply
}
