import { isIP } from 'node:net'
import { errorCode, errorCodeOrName } from '../telemetry/error-serializer.ts'
import { hostAndPort } from './host-and-port.ts'
import { ProxyError } from './proxy.ts'
import { UnreadableResponseError } from './send-request.ts'

/** A request without a usable response. The message has host, port and error code only, so it may be logged. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure'
  /** Of Node, OpenSSL or undici, such as `ECONNREFUSED` or `CERT_HAS_EXPIRED`; `TimeoutError` after the time limit. */
  readonly code: string

  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

/** The failure of a request to a URL, from what `sendRequest` has thrown. */
export function toRequestFailure(url: string, error: unknown): RequestFailure {
  const target = hostAndPort(url)
  if (error instanceof ProxyError)
    return new RequestFailure(`connection to ${target} failed: ${error.message}`, error.name)
  const code = errorCodeOrName(error)
  if (code === 'TimeoutError') return new RequestFailure(`${target} did not respond in time`, code)
  if (error instanceof UnreadableResponseError)
    return new RequestFailure(`the response of ${target} is not readable: ${error.message}`, code)
  const peer = peerOf(error)
  const via = peer === undefined || target.startsWith(peer) ? '' : ` (${peer})`
  return new RequestFailure(`connection to ${target} failed: ${code}${via}`, code)
}

/**
 * The same as a field of a log line that has the host already: name and code of the error, such as `Error ECONNREFUSED`,
 * or what the proxy did.
 */
export function failureReason(error: unknown): string {
  if (error instanceof ProxyError) return error.message
  const name = error instanceof Error ? error.name : 'Error'
  return [name, errorCode(error)].filter(Boolean).join(' ')
}

/** The address that was tried, or the host name that was looked up: of the server or of a proxy. */
function peerOf(error: unknown): string | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error)) return undefined
  const { address, port, hostname } = first as Error & {
    address?: string
    port?: number
    hostname?: string
  }
  return address !== undefined && isIP(address) > 0 ? `${address}:${port}` : hostname
}
