import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Options of {@link trackOpenResponses}. */
export interface OpenResponsesOptions {
  /** A connection with more open responses is closed, because one packet can hold a thousand requests. */
  maxOpen: number
  /** Called for each response that was not sent completely when its connection closed. */
  onAbort?: (response: ServerResponse) => void
}

/**
 * Tracks the responses that have not been sent completely, by connection. With pipelining a connection can have several.
 * One listener per connection costs less than one per response.
 * @returns the oldest open response of a connection
 */
export function trackOpenResponses(
  server: Server,
  { maxOpen, onAbort = () => {} }: OpenResponsesOptions,
): (socket: Socket) => ServerResponse | undefined {
  /** In the order of their requests, so that the first ones are complete. */
  const responses = new WeakMap<Socket, ServerResponse[]>()
  const isOpen = ({ writableFinished }: ServerResponse) => !writableFinished
  server.on('connection', (socket: Socket) => {
    const ofSocket: ServerResponse[] = []
    responses.set(socket, ofSocket)
    socket.once('close', () => {
      for (const response of ofSocket.filter(isOpen)) onAbort(response)
    })
  })
  // Before the listener that handles the request.
  server.prependListener('request', ({ socket }, response: ServerResponse) => {
    const ofSocket = responses.get(socket)
    if (!ofSocket) return
    while (ofSocket[0]?.writableFinished) ofSocket.shift()
    if (ofSocket.push(response) > maxOpen) socket.destroy()
  })
  return (socket) => responses.get(socket)?.find(isOpen)
}
