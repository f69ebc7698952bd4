import { Agent } from 'undici'

/**
 * Connections to CDF or to an identity provider. HTTP/1.1 only: over HTTP/2, which undici offers by default, it takes a
 * stream that is reset in the middle of a body for the end of that body.
 */
export function httpAgent(options: Agent.Options = {}): Agent {
  return new Agent({ ...options, allowH2: false })
}
