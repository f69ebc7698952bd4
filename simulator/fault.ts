import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a simulated server does instead of its work. */
export type Fault =
  /** Any answer. */
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  /** The connection is lost before the first byte of the answer. */
  | 'reset'
  /** The connection is lost in the middle of the body. */
  | 'reset-in-body'
  /** No answer ever comes. */
  | 'hang'
  /** These bytes, then the end of the connection, or silence. */
  | { raw: string; ending?: 'silence' }
  /** A good head, then these bytes one by one at this pace, until somebody has had enough. */
  | { drip: string; everyMs: number }
  /** The work is done, but later. */
  | { delayMs: number }

/** Faults on demand: the next ones in line, else the standing one. */
export class Faults {
  #next: Fault[] = []
  /** What happens to every request that finds no fault in line; absent = nothing. */
  standing: Fault | undefined

  /** Puts faults in line, one for each of the next requests. */
  next(...faults: Fault[]): void {
    this.#next.push(...faults)
  }

  /** Forgets all of them. */
  clear(): void {
    this.#next = []
    this.standing = undefined
  }

  /** Does what is due for this request; true if that was the whole answer. */
  async happen(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const fault = this.#next.shift() ?? this.standing
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
      if (fault.ending !== 'silence') request.socket.end()
      return true
    }
    if ('drip' in fault) {
      response.writeHead(200, { 'content-type': 'application/json' })
      for (const byte of fault.drip) {
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
