import type { CustomFetch } from 'openid-client'
import type { Dispatcher } from 'undici'
import { exchange } from '../http-exchange.ts'
import { callInTrace } from '../trace-context.ts'

/**
 * The bounded exchange of this service in the shape of `fetch`, as far as openid-client uses it.
 * @param traceparent of the trace that its requests belong to; each to one of its own if absent
 */
export function boundedFetch(dispatcher: Dispatcher, traceparent?: string): CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const answer = await callInTrace(traceparent, (traceHeaders) =>
      exchange(url, {
        method: method === 'POST' ? 'POST' : 'GET',
        headers: { ...headers, ...traceHeaders },
        ...(body && { body: body.toString() }),
        signal: signal ?? undefined,
        dispatcher,
      }),
    )
    const answered = new Headers()
    for (const name of ['content-type', 'www-authenticate', 'retry-after']) {
      const value = answer.headers[name]
      if (typeof value === 'string') answered.set(name, value)
    }
    const mayHaveBody =
      answer.status >= 200 &&
      answer.status !== 204 &&
      answer.status !== 205 &&
      answer.status !== 304
    return new Response(mayHaveBody ? new Uint8Array(answer.body) : null, {
      status: answer.status,
      headers: answered,
    })
  }
}
