import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * Starts `redis-server` on a free port of the loopback interface, without files. It ends with this process.
 * @throws an error with the code ENOENT if it is not installed
 */
export async function startRedisServer(): Promise<{ url: string; stop: () => void }> {
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const child = spawn('redis-server', options, {
    stdio: ['ignore', 'pipe', 'ignore'],
    // Ctrl-C in the terminal does not end it before the replicas.
    detached: true,
  })
  const stop = () => child.kill()
  process.once('exit', stop)
  const failed = once(child, 'error').then(([error]) => Promise.reject(error))
  const ready = new Promise<void>((resolve) => {
    createInterface(child.stdout).on(
      'line',
      (line) => line.includes('Ready to accept') && resolve(),
    )
  })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('redis-server has ended')))
  // It also ends later, when nobody waits for it.
  for (const later of [failed, ended]) later.catch(() => {})
  await Promise.race([ready, failed, ended])
  return { url: `redis://127.0.0.1:${port}`, stop }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
