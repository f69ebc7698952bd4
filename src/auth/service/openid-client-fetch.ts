import type { CustomFetch } from 'openid-client'
import type { Dispatcher } from 'undici'
import { sendRequest } from '../../http/send-request.ts'
import { withTraceHeaders } from '../../telemetry/trace-context.ts'

/** Statuses that a `Response` cannot have together with a body. */
const NO_BODY_STATUSES: readonly number[] = [204, 205, 304]

/**
 * `fetch` for openid-client that sends through {@link sendRequest}, which bounds the size of a response. The response
 * has only the headers that openid-client reads, and `retry-after`. openid-client's own `user-agent` is replaced.
 * @param traceparent default: a new trace for each request
 */
export function openidClientFetch(dispatcher: Dispatcher, traceparent?: string): CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const response = await withTraceHeaders(traceparent, (traceHeaders) =>
      sendRequest(url, {
        method: method === 'POST' ? 'POST' : 'GET',
        headers: { ...headers, ...traceHeaders },
        ...(body && { body: body.toString() }),
        signal: signal ?? undefined,
        dispatcher,
      }),
    )
    const { status } = response
    const responseHeaders = new Headers()
    for (const name of ['content-type', 'www-authenticate', 'retry-after']) {
      const value = response.headers[name]
      if (typeof value === 'string') responseHeaders.set(name, value)
    }
    const responseBody = NO_BODY_STATUSES.includes(status) ? null : Buffer.from(response.body)
    return new Response(responseBody, { status, headers: responseHeaders })
  }
}
