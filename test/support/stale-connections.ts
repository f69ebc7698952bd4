import type { IncomingMessage, RequestListener } from 'node:http'
import { TLSSocket } from 'node:tls'

/** How a connection ends. */
export type Loss = 'closed' | 'reset' | 'closed in the status line'

/** Whether a request came on a connection that has already carried a response. */
export function isOnReusedConnection({ socket }: IncomingMessage): boolean {
  return socket.bytesWritten > 0
}

/** Ends the connection of a request. */
export function endConnection({ socket }: IncomingMessage, loss: Loss): void {
  if (loss === 'reset' && !(socket instanceof TLSSocket)) {
    socket.resetAndDestroy()
  } else {
    if (loss === 'closed in the status line') socket.write('HTTP/1.1 2')
    socket.end()
  }
}

/**
 * Answers only the first request of each connection, and ends the connection at its second one: so a pooled connection
 * behaves that a gateway or a NAT has dropped while it was idle.
 */
export function answeringOnce(onRequest: RequestListener, loss: Loss = 'reset'): RequestListener {
  return (request, response) =>
    isOnReusedConnection(request) ? endConnection(request, loss) : onRequest(request, response)
}
