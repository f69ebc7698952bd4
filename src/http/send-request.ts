import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { type Dispatcher, errors } from 'undici'
import { MAX_BODY_BYTES } from './agent.ts'
import { ProxyError } from './proxy.ts'
import { isStaleConnection } from './stale-connection.ts'
import { USER_AGENT } from './user-agent.ts'

/** Status and headers of a response. */
export interface ResponseHead {
  status: number
  headers: Record<string, string | string[] | undefined>
}

/** A complete response. */
export interface HttpResponse extends ResponseHead {
  /** Unpacked, at most {@link MAX_BODY_BYTES}, decoded from UTF-8 without a byte order mark. */
  body: string
}

/** A request for {@link sendRequest}. */
export interface HttpRequest {
  method: 'GET' | 'POST'
  /** Besides `user-agent`, which is always {@link USER_AGENT}. */
  headers: Record<string, string>
  body?: string
  /** Aborts the request, also while the body is read. */
  signal?: AbortSignal | undefined
  /** Limit for the whole request, body included; milliseconds. No limit if absent. */
  timeoutMs?: number
  dispatcher: Dispatcher
  /** Called when status and headers have arrived. The body may still fail. */
  onHead?: (head: ResponseHead) => void
}

/** The response is too large, or its content encoding is unknown or broken. */
export class UnreadableResponseError extends Error {
  override readonly name = 'UnreadableResponseError'
}

/**
 * Sends one HTTP request and reads the whole response. Size and time are bounded; `fetch` checks the size only before
 * it unpacks. Redirects are not followed. If its connection was stale, the request is repeated once on a new one, so it
 * must be safe to repeat.
 * @throws UnreadableResponseError; ProxyError; the signal's reason; a DOMException `TimeoutError`; undici's connection errors
 */
export async function sendRequest(url: string, request: HttpRequest): Promise<HttpResponse> {
  const { method, headers, body, dispatcher, timeoutMs, onHead } = request
  const { origin, pathname, search } = new URL(url)
  const signals = [
    ...(request.signal ? [request.signal] : []),
    ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]),
  ]
  const signal = AbortSignal.any(signals)
  signal.throwIfAborted()
  const response = await send(dispatcher, {
    origin,
    path: pathname + search,
    method,
    headers: { ...headers, 'user-agent': USER_AGENT },
    body: body ?? null,
    signal,
  })
  const head = { status: response.statusCode, headers: response.headers }
  onHead?.(head)
  const packed = await response.body.arrayBuffer().catch((error: unknown) => {
    if (error instanceof errors.ResponseExceededMaxSizeError)
      throw new UnreadableResponseError('the body is too large')
    throw error
  })
  const encoding = head.headers['content-encoding']
  return { ...head, body: decoder.decode(await unpack(Buffer.from(packed), encoding)) }
}

async function send(
  dispatcher: Dispatcher,
  options: Dispatcher.RequestOptions & { signal: AbortSignal },
): Promise<Dispatcher.ResponseData> {
  try {
    return await dispatcher.request(options)
  } catch (error) {
    if (isStaleConnection(error) && !options.reset && !options.signal.aborted)
      return send(dispatcher, { ...options, reset: true })
    // For an `http:` URL, undici turns a 407 of the proxy into this error.
    if (error instanceof errors.InvalidArgumentError && error.message.includes('(407)'))
      throw new ProxyError('proxy answered with status 407')
    throw error
  }
}

/** Also removes a byte order mark, which some servers put before JSON (RFC 8259 §8.1). */
const decoder = new TextDecoder()

const gunzipAsync = promisify(gunzip)
const UNPACKERS: Readonly<
  Record<string, (packed: Buffer, limit: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: gunzipAsync,
  'x-gzip': gunzipAsync,
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}

/** Requests carry no `accept-encoding`, which allows any encoding (RFC 9110 §12.5.3). */
async function unpack(packed: Buffer, encoding: string | string[] = ''): Promise<Buffer> {
  const name = encoding.toString().toLowerCase() || 'identity'
  if (name === 'identity') return packed
  const unpacker = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined
  if (!unpacker) throw new UnreadableResponseError('the content encoding is unknown')
  try {
    return await unpacker(packed, { maxOutputLength: MAX_BODY_BYTES })
  } catch {
    throw new UnreadableResponseError('the body cannot be unpacked, or is too large')
  }
}
