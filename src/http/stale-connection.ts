import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { DiagnosticsChannel } from 'undici'

/** The connection of each request, and how many bytes it had received when the request was sent. */
const sent = new WeakMap<object, { socket: Socket; bytesRead: number }>()
const errors = new WeakSet<Error>()

/**
 * Whether an error of undici means that a pooled connection was stale: the request was sent on a connection that had
 * served another request, and the connection was lost before any byte of the response. A NAT or a gateway has dropped it
 * while it was idle, so the error says nothing about the server.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1
 * @see https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
 */
export function isStaleConnection(error: unknown): boolean {
  return error instanceof Error && errors.has(error)
}

subscribe('undici:client:sendHeaders', (message) => {
  const { request, socket } = message as DiagnosticsChannel.ClientSendHeadersMessage
  sent.set(request, { socket, bytesRead: socket.bytesRead })
})

subscribe('undici:request:error', (message) => {
  const { request, error } = message as DiagnosticsChannel.RequestErrorMessage
  const { socket, bytesRead } = sent.get(request) ?? {}
  // The reason of an aborted request can be any value.
  const isError = error instanceof Error
  if (isError && bytesRead && socket?.bytesRead === bytesRead) errors.add(error)
})
