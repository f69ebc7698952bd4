import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How a proxy cuts a connection. */
export interface Cut {
  /** Number of bytes of the server that the client still gets. */
  afterBytes: number
  /** Time between the last byte and the end of the connection. */
  stallMs: number
  /** Ends the connection with RST in place of FIN. */
  byReset: boolean
}

/** Options of {@link startCuttingProxy}. */
export interface CuttingProxyOptions {
  /** The port of the server. */
  port: number
  /** The cuts of the connections, in their order; later connections are not cut. */
  cuts: readonly Cut[]
  /** Does not cut the head of a response. */
  keepsHeads?: boolean | undefined
  /** Does not cut between the last field of an event and the empty line after it. */
  keepsEventEnds?: boolean | undefined
}

/** A proxy for TCP connections to a server of event streams. */
export interface CuttingProxy {
  url: string
  /** Resolves when the client has been sent its first event. */
  started: Promise<void>
  /** Number of connections with a request. */
  connections: () => number
  /** Number of connections that were cut. */
  cuts: () => number
  close: () => void
}

const LINE_FEED = 0x0a

/**
 * Starts a TCP proxy that cuts connections after a number of bytes. The first one is not cut before the end of the HTTP
 * chunk with its first event: without the `retry` of that event, clients wait for seconds. The proxy shortens `retry`.
 */
export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const { port, cuts, keepsHeads = false, keepsEventEnds = false } = options
  const sockets = new Set<Socket>()
  let connections = 0
  let cutConnections = 0
  const { promise: started, resolve: start } = Promise.withResolvers<void>()

  function forward(client: Socket, server: Socket, cut: Cut, isFirst: boolean): void {
    let sent = 0
    /** The cut counts from the end of the first of these. */
    const marker = isFirst ? '\n\n\r\n' : keepsHeads ? '\r\n\r\n' : ''
    let countsFrom: number | undefined
    server.on('data', (chunk: Buffer) => {
      const bytes = withShortRetry(chunk)
      const markerAt = bytes.indexOf(marker)
      if (countsFrom === undefined && markerAt >= 0) {
        countsFrom = sent + markerAt + marker.length
        if (isFirst) start()
      }
      let rest = (countsFrom ?? Number.POSITIVE_INFINITY) + cut.afterBytes - sent
      if (keepsEventEnds && bytes[rest - 1] === LINE_FEED && bytes[rest] === LINE_FEED) rest += 1
      client.write(bytes.subarray(0, rest))
      sent += bytes.length
      if (rest > bytes.length) return
      server.removeAllListeners('data').destroy()
      cutConnections += 1
      // A reset discards what the client has not read yet.
      const end = cut.byReset && !isFirst ? () => client.resetAndDestroy() : () => client.destroy()
      sleep(cut.stallMs).then(end)
    })
  }

  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1')
    sockets.add(client)
    client.on('error', () => {})
    client.once('close', () => {
      sockets.delete(client)
      server.destroy()
    })
    // Not when it closes: after a cut, a client that is ending could not be reset.
    server.once('end', () => client.end())
    server.once('error', () => client.destroy())
    // A browser also opens connections that it does not use.
    client.once('data', () => {
      const cut = cuts[connections] ?? {
        afterBytes: Number.POSITIVE_INFINITY,
        stallMs: 0,
        byReset: false,
      }
      forward(client, server, cut, connections === 0)
      connections += 1
    })
    client.pipe(server)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    started,
    connections: () => connections,
    cuts: () => cutConnections,
    close: () => {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Clients reconnect after 2 ms; the number of bytes stays the same. */
function withShortRetry(chunk: Buffer): Buffer {
  return Buffer.from(chunk.toString('latin1').replace('retry: 2000\n', 'retry: 0002\n'), 'latin1')
}
