import type { Dispatcher } from 'undici'
import { hostAndPort } from '../../http/host-and-port.ts'
import { type JsonObject, parseJsonObject } from '../../http/json-object.ts'
import { toRequestFailure } from '../../http/request-failure.ts'
import { sendRequest } from '../../http/send-request.ts'

/**
 * Fetches a JSON object.
 * @throws RequestFailure; Error whose message holds host, port and status only
 */
export async function fetchJson(
  url: string,
  { timeoutMs, dispatcher }: { timeoutMs: number; dispatcher: Dispatcher },
): Promise<JsonObject> {
  const { status, body } = await sendRequest(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs,
    dispatcher,
  }).catch((error: unknown) => {
    throw toRequestFailure(url, error)
  })
  const host = hostAndPort(url)
  if (status !== 200) throw new Error(`${host} answered with status ${status}`)
  const json = parseJsonObject(body)
  if (!json) throw new Error(`the response of ${host} is not a JSON object`)
  return json
}
