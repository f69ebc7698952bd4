import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** A failure that a simulated server produces in place of its normal response. */
export type Fault =
  /** This response. */
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  /** Resets the connection before the first byte of the response. */
  | 'reset'
  /** Resets the connection in the middle of the body. */
  | 'reset-in-body'
  /** Never responds. */
  | 'hang'
  /** Writes these bytes to the socket and then closes it, unless it is to stay open. */
  | { raw: string; keepOpen?: true }
  /** Sends status 200 and then this body, one byte at a time. */
  | { slowBody: string; everyMs: number }
  /** Delays the normal response. */
  | { delayMs: number }

/** The faults of one simulated server: a queue, and one for requests that find the queue empty. */
export class Faults {
  #queue: Fault[] = []
  /** The fault for every request while the queue is empty. */
  standing: Fault | undefined

  /** Queues faults, one for each of the next requests. */
  next(...faults: Fault[]): void {
    this.#queue.push(...faults)
  }

  /** Removes all faults. */
  clear(): void {
    this.#queue = []
    this.standing = undefined
  }

  /** Applies the fault for this request, if any; returns true if there is nothing more to send. */
  async apply(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const fault = this.#queue.shift() ?? this.standing
    if (fault === undefined) return false
    if (fault === 'hang') return true
    if (fault === 'reset') {
      request.socket.resetAndDestroy()
      return true
    }
    if (fault === 'reset-in-body') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
      response.write('{"jobId":')
      await sleep(5)
      request.socket.resetAndDestroy()
      return true
    }
    if ('raw' in fault) {
      request.socket.write(fault.raw)
      if (!fault.keepOpen) request.socket.end()
      return true
    }
    if ('slowBody' in fault) {
      response.writeHead(200, { 'content-type': 'application/json' })
      for (const byte of fault.slowBody) {
        if (response.destroyed) break
        response.write(byte)
        await sleep(fault.everyMs)
      }
      response.end()
      return true
    }
    if ('delayMs' in fault) {
      await sleep(fault.delayMs)
      return response.destroyed
    }
    response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
    response.end(fault.body)
    return true
  }
}
