import { Agent } from 'undici'

/** Largest response body that is read, packed and unpacked: 1 MiB. A job status has less than 1 KiB. */
export const MAX_BODY_BYTES = 1024 * 1024

/**
 * Connections to CDF and identity providers. HTTP/1.1 only: with HTTP/2, undici takes a stream that is reset in the
 * middle of a body for a complete response. `sendRequest` sets the time limits, so undici's own timeouts, which restart
 * with every byte, are off.
 */
export function httpAgent(options: Agent.Options = {}): Agent {
  return new Agent({
    ...options,
    allowH2: false,
    maxResponseSize: MAX_BODY_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}
