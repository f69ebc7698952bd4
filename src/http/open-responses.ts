import type { Socket } from 'node:net'

/**
 * The responses that have not been sent completely, by connection and in the order of their requests. With pipelining, a
 * connection can have several. One listener per connection costs less than one per response.
 * @typeParam Response identifies a response
 */
export class OpenResponses<Response> {
  readonly #bySocket = new WeakMap<Socket, Response[]>()
  readonly #onAbort: (response: Response) => void

  /** @param onAbort called for each response that is open when its connection closes */
  constructor(onAbort: (response: Response) => void = () => {}) {
    this.#onAbort = onAbort
  }

  /**
   * Adds a response.
   * @returns the number of open responses of the connection
   */
  add(socket: Socket, response: Response): number {
    const open = this.#bySocket.get(socket) ?? this.#follow(socket)
    return open.push(response)
  }

  /** Removes a response that was sent. */
  remove(socket: Socket, response: Response): void {
    const open = this.#bySocket.get(socket)
    const index = open?.indexOf(response) ?? -1
    if (index >= 0) open?.splice(index, 1)
  }

  /** The first open response of a connection. */
  oldest(socket: Socket): Response | undefined {
    return this.#bySocket.get(socket)?.[0]
  }

  #follow(socket: Socket): Response[] {
    const open: Response[] = []
    this.#bySocket.set(socket, open)
    socket.once('close', () => {
      for (const response of open.splice(0)) this.#onAbort(response)
    })
    return open
  }
}
