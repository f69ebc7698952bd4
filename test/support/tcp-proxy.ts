import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Owner } from './redis-server.ts'

/** Forwards TCP connections to a port, and fails on request. */
export interface TcpProxy {
  port: number
  /** Drops what clients send, or what the server answers, without closing any connection. */
  drops: 'requests' | 'answers' | undefined
  /** Delays what the server answers; milliseconds. */
  delayMs: number
  /** Closes all connections. */
  disconnect: () => void
}

/** Starts a proxy on a loopback port. It stops with its owner. */
export async function startTcpProxy(t: Owner, targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const proxy: TcpProxy = {
    port: 0,
    drops: undefined,
    delayMs: 0,
    disconnect: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1')
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (data) => {
      if (proxy.drops !== 'requests') target.write(data)
    })
    target.on('data', (data) => {
      if (proxy.drops === 'answers') return
      if (proxy.delayMs > 0) setTimeout(() => client.write(data), proxy.delayMs)
      else client.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    proxy.disconnect()
  })
  proxy.port = (server.address() as AddressInfo).port
  return proxy
}
