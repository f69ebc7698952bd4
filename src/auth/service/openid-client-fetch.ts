import type { CustomFetch } from 'openid-client'
import type { Dispatcher } from 'undici'
import { parseJsonObject } from '../../http/json-object.ts'
import { type RequestFailure, toRequestFailure } from '../../http/request-failure.ts'
import { sendRequest } from '../../http/send-request.ts'
import { withTraceHeaders } from '../../telemetry/trace-context.ts'

/** One HTTP request to an identity provider. */
export interface Exchange {
  /** `POST` is a token request, `GET` the discovery. */
  method: 'GET' | 'POST'
  url: string
  /** The response, or why there is none. */
  result: IdentityProviderResponse | RequestFailure
}

/** What is read of a response. */
export interface IdentityProviderResponse {
  status: number
  retryAfter: string | undefined
  /** `undefined` if the body is not a JSON object. */
  members: Members | undefined
}

type Members = Partial<Record<(typeof READ)[number], unknown>>

/**
 * The members that are read. openid-client gets no others, because it rejects a response with a valid token for a null
 * `scope` or a wrong `id_token`.
 */
const READ = [
  'issuer',
  'token_endpoint',
  'access_token',
  'token_type',
  'expires_in',
  'error',
  'error_description',
] as const

/** Statuses that a `Response` cannot have together with a body. */
const NO_BODY_STATUSES: readonly number[] = [204, 205, 304]

/**
 * `fetch` for openid-client that sends through {@link sendRequest}, which bounds the size of a response. openid-client's
 * own `user-agent` is replaced.
 * @param onExchange called after each request
 * @param traceparent default: a new trace for each request
 */
export function openidClientFetch(
  dispatcher: Dispatcher,
  onExchange: (exchange: Exchange) => void,
  traceparent?: string,
): CustomFetch {
  return async (url, options) => {
    const { headers, body, signal } = options
    const method = options.method === 'POST' ? 'POST' : 'GET'
    const response = await withTraceHeaders(traceparent, (traceHeaders) =>
      sendRequest(url, {
        method,
        headers: { ...headers, ...traceHeaders },
        ...(body && { body: body.toString() }),
        signal: signal ?? undefined,
        dispatcher,
      }),
    ).catch((error: unknown) => {
      const failure = toRequestFailure(url, error)
      onExchange({ method, url, result: failure })
      throw failure
    })
    const { status } = response
    const members = parseMembers(response.body)
    const retryAfter = response.headers['retry-after']
    onExchange({
      method,
      url,
      result: { status, retryAfter: retryAfter?.toString(), members },
    })
    if (NO_BODY_STATUSES.includes(status)) return new Response(null, { status })
    return members ? Response.json(members, { status }) : new Response(response.body, { status })
  }
}

/** The {@link READ} members of a JSON object, without null; `undefined` for any other body. */
function parseMembers(body: string): Members | undefined {
  const received: Members | undefined = parseJsonObject(body)
  if (!received) return undefined
  const members: Members = {}
  for (const name of READ) if (received[name] !== null) members[name] = received[name]
  // CDF accepts no other type, so a response without a type means this one.
  members.token_type ??= 'bearer'
  members.expires_in = parseLifetime(received.expires_in)
  return members
}

/** `expires_in` in seconds, 0 or more: a number, or its decimal text as Entra ID's v1 endpoint sends it. */
function parseLifetime(value: unknown): number | undefined {
  const isText = typeof value === 'string' && value.trim() !== ''
  const seconds = isText || typeof value === 'number' ? Number(value) : Number.NaN
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : undefined
}
