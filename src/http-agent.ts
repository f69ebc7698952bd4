// By themselves, since the index of undici loads eighty modules more (fetch, WebSocket, caches, mocks), a tenth of the
// start. Its version is pinned, and without these files nothing starts.
import errors from 'undici/lib/core/errors.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import Pool from 'undici/lib/dispatcher/pool.js'

/** What undici throws, and tells a handler. */
export const httpErrors = errors

/** Largest body that is read from anybody: 1 MiB. A job status has less than 1 KiB. */
export const MAX_BODY_BYTES = 1024 * 1024

/**
 * Connections to an identity provider, wherever it says that its parts are. HTTP/1.1 only: over HTTP/2, which undici
 * offers by default, it takes a stream that is reset in the middle of a body for the end of that body.
 */
export function httpAgent(options: Agent.Options = {}): Agent {
  return new Agent({ ...options, allowH2: false, maxResponseSize: MAX_BODY_BYTES })
}

/**
 * The same, to one origin: with nothing to look up for each request, and for whoever sets a time for each of them: undici's
 * own two timers, which start again at every byte, are off.
 */
export function httpPool(origin: string): Pool {
  const timeouts = { headersTimeout: 0, bodyTimeout: 0 }
  return new Pool(origin, { ...timeouts, allowH2: false, maxResponseSize: MAX_BODY_BYTES })
}
