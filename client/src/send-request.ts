import { onAbort } from './on-abort.ts'
import { connectionFailed, problemErrorOf } from './problem-error.ts'
import type { Timing } from './timing.ts'

/**
 * An access token, or a function that returns one. The function is called for each request and, after a 401, once more
 * with the rejected token.
 */
export type TokenSource = string | ((rejectedToken?: string) => string | Promise<string>)

/** Options of {@link createRequestSender}. */
export interface RequestSenderOptions {
  baseUrl: string
  token?: TokenSource | undefined
  fetch: typeof fetch
  timing: Timing
}

/** A GET request. */
export interface ApiRequest {
  /** Path and query, relative to the base URL. */
  path: string
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Greatest time without progress, milliseconds. */
  timeoutMs: number
}

/**
 * Sends a request and reads the response with `read`, whose second argument restarts the timeout.
 * @throws ProblemError; the reason of the signal; what the token function throws
 */
export type SendRequest = <Result>(
  request: ApiRequest,
  read: (response: Response, restartTimeout: () => void) => Promise<Result>,
) => Promise<Result>

/** Creates the function that sends all requests of a client. */
export function createRequestSender(options: RequestSenderOptions): SendRequest {
  const { baseUrl, token, fetch, timing } = options
  const { protocol, origin, pathname } = new URL(baseUrl)
  if (!/^https?:$/.test(protocol))
    throw new TypeError('baseUrl must begin with https:// or http://')
  const base = origin + (pathname.endsWith('/') ? pathname.slice(0, -1) : pathname)

  async function authenticate(rejectedToken?: string): Promise<string | undefined> {
    if (typeof token !== 'function') return token
    try {
      return await token(rejectedToken)
    } catch (error) {
      // What `fetch` throws if it cannot reach the server of the token.
      throw error instanceof TypeError ? connectionFailed('No access token', error) : error
    }
  }

  async function respond({ path, headers }: ApiRequest, signal: AbortSignal): Promise<Response> {
    const respondTo = (accessToken: string | undefined) => {
      // `fetch` would report it in the same way as a lost connection, with the token in the message.
      if (accessToken && /[^ -~]/.test(accessToken.trim()))
        throw new TypeError('The access token has a character that a header cannot have')
      return fetch(base + path, {
        headers: {
          ...headers,
          ...(accessToken && { authorization: `Bearer ${accessToken.trim()}` }),
        },
        signal,
      }).catch((error: unknown) => {
        throw connectionFailed('No response', error)
      })
    }
    const accessToken = await authenticate()
    const response = await respondTo(accessToken)
    if (response.status !== 401 || typeof token !== 'function') return response
    await response.body?.cancel()
    return respondTo(await authenticate(accessToken))
  }

  return async (request, read) => {
    const { signal, timeoutMs } = request
    signal?.throwIfAborted()
    const controller = new AbortController()
    const stopListening = onAbort(signal, () => controller.abort(signal?.reason))
    // Neither the token function nor every implementation of `fetch` stops immediately.
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason))
    })
    let cancelTimeout = () => {}
    const restartTimeout = () => {
      cancelTimeout()
      cancelTimeout = timing.schedule(timeoutMs, () =>
        controller.abort(connectionFailed(`No response for ${timeoutMs / 1000} s`)),
      )
    }
    restartTimeout()
    const exchange = async () => {
      const response = await respond(request, controller.signal)
      if (!response.ok && response.status !== 304)
        throw problemErrorOf(response, await textOf(response))
      return read(response, restartTimeout)
    }
    try {
      return await Promise.race([exchange(), aborted])
    } catch (error) {
      controller.abort()
      throw error
    } finally {
      cancelTimeout()
      stopListening()
    }
  }
}

/**
 * The body of a response.
 * @throws ProblemError if the connection is lost
 */
export function textOf(response: Response): Promise<string> {
  return response.text().catch((error: unknown) => {
    throw connectionFailed('The response is incomplete', error)
  })
}
