import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Tracks the responses that have not been sent completely, by connection. With pipelining a connection can have several;
 * a connection with more than `maxOpen` is closed, because one packet can hold a thousand requests.
 * @returns the oldest open response of a connection
 */
export function trackOpenResponses(
  server: Server,
  maxOpen: number,
): (socket: Socket) => ServerResponse | undefined {
  const openResponses = new WeakMap<Socket, Set<ServerResponse>>()
  // Before the listener that handles the request.
  server.prependListener('request', ({ socket }, response: ServerResponse) => {
    const open = openResponses.get(socket) ?? new Set()
    openResponses.set(socket, open.add(response))
    response.once('close', () => open.delete(response))
    if (open.size > maxOpen) socket.destroy()
  })
  return (socket) => {
    const [oldest] = openResponses.get(socket) ?? []
    return oldest
  }
}
