import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { request } from 'undici'

/** Largest body that is read from anybody, after unpacking: 1 MiB. A job status has less than 1 KiB. */
const MAX_BODY_BYTES = 1024 * 1024

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

/**
 * One HTTP request and its whole answer, bounded in size by {@link MAX_BODY_BYTES} and in time by the signal alone:
 * undici's own timeouts restart at every byte, and `fetch` unpacks after its size check. Redirects are not followed.
 * @throws UnreadableAnswerError for such an answer; the signal's reason when it aborts; undici's errors for the connection
 */
export async function exchange(url: string, options: HttpRequest): Promise<HttpAnswer> {
  const { onHead, ...sent } = options
  const { statusCode: status, headers, body } = await request(url, sent)
  onHead?.({ status, headers })
  const chunks: Buffer[] = []
  let bytes = 0
  // Leaving the loop by a throw destroys the connection, so that the rest is never received.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new UnreadableAnswerError('the body is too large')
    chunks.push(chunk)
  }
  return { status, headers, body: await unpack(Buffer.concat(chunks), headers['content-encoding']) }
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
