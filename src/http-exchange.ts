import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { errors } from 'undici'
import { MAX_BODY_BYTES } from './http-agent.ts'

/** The beginning of an answer. */
export interface HttpHead {
  status: number
  headers: Record<string, string | string[] | undefined>
}

/** A whole answer, its body unpacked and at most {@link MAX_BODY_BYTES} long. */
export interface HttpAnswer extends HttpHead {
  body: Buffer
}

/** What to send. */
export interface HttpRequest {
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  /** Ends the exchange, body included, wherever it is. */
  signal: AbortSignal
  dispatcher: Dispatcher
  /** Told of the status and headers as soon as they are there; the body may still fail. */
  onHead?: (head: HttpHead) => void
}

/** The answer is not one that may be read: too large, or packed in an unknown or broken way. */
export class UnreadableAnswerError extends Error {
  override readonly name = 'UnreadableAnswerError'
}

/** A URL in two parts, for whoever asks often: nothing is left to be parsed. */
export interface HttpTarget {
  origin: string
  /** With the query. */
  path: string
}

/**
 * One HTTP request and its whole answer, bounded in size by {@link MAX_BODY_BYTES} (packed, by the agent) and in time by
 * the signal alone: undici's own timeouts restart at every byte, and `fetch` unpacks after its size check. Redirects are
 * not followed.
 * @throws UnreadableAnswerError for such an answer; the signal's reason when it aborts; undici's errors for the connection
 */
export async function exchange(
  target: string | HttpTarget,
  options: HttpRequest,
): Promise<HttpAnswer> {
  const { onHead, dispatcher, ...sent } = options
  const {
    statusCode: status,
    headers,
    body,
  } = await dispatcher.request({
    ...(typeof target === 'string' ? parsed(target) : target),
    ...sent,
  })
  onHead?.({ status, headers })
  const bytes = await body.bytes().catch((error: unknown) => {
    if (!(error instanceof errors.ResponseExceededMaxSizeError)) throw error
    throw new UnreadableAnswerError('the body is too large')
  })
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { status, headers, body: await unpack(packed, headers['content-encoding']) }
}

function parsed(url: string): HttpTarget {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: pathname + search }
}

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

/** No `accept-encoding` is sent, which allows any encoding (RFC 9110 §12.5.3), though servers then send none. */
async function unpack(packed: Buffer, encoding: string | string[] | undefined): Promise<Buffer> {
  const name = encoding?.toString().toLowerCase() || 'identity'
  if (name === 'identity') return packed
  const unpacker = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined
  if (!unpacker) throw new UnreadableAnswerError('the content encoding is unknown')
  try {
    return await unpacker(packed, { maxOutputLength: MAX_BODY_BYTES })
  } catch {
    throw new UnreadableAnswerError('the body cannot be unpacked, or is too large')
  }
}
