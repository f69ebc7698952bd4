import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { httpErrors, MAX_BODY_BYTES } from './http-agent.ts'

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
  /** Ends the exchange, body included, wherever it is; as does the time, in milliseconds. */
  signal?: AbortSignal | undefined
  timeoutMs?: number
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
 * signal and timeout alone: undici's own timeouts restart at every byte, and `fetch` unpacks after its size check. Redirects are
 * not followed.
 * @throws UnreadableAnswerError for such an answer; the signal's reason when it aborts, and a DOMException `TimeoutError` when
 *   the time is over; undici's errors for the connection
 */
export async function exchange(
  target: string | HttpTarget,
  options: HttpRequest,
): Promise<HttpAnswer> {
  const { method, headers, body, dispatcher } = options
  const parts = typeof target === 'string' ? parsed(target) : target
  options.signal?.throwIfAborted()
  const reception = new Reception(options)
  dispatcher.dispatch({ ...parts, method, headers, body: body ?? null }, reception)
  const { status, headers: answered, bytes } = await reception.whole
  const encoding = answered['content-encoding']
  const unpacked = encoding === undefined ? bytes : await unpack(bytes, encoding)
  return { status, headers: answered, body: unpacked }
}

/** An answer, its body as it came. */
interface Received extends HttpHead {
  bytes: Buffer
}

/**
 * What undici tells of one request. Its `request` tells the same by a stream with a promise for its end: made for each
 * read of a job, and read at once.
 */
class Reception implements Dispatcher.DispatchHandler {
  readonly whole: Promise<Received>
  readonly #signal: AbortSignal | undefined
  readonly #timer: NodeJS.Timeout | undefined
  readonly #onHead: HttpRequest['onHead']
  readonly #resolve: (received: Received) => void
  readonly #reject: (reason: unknown) => void
  readonly #chunks: Buffer[] = []
  #head: HttpHead | undefined
  #controller: Dispatcher.DispatchController | undefined
  #endedBy: Error | undefined

  constructor({ signal, timeoutMs, onHead }: Pick<HttpRequest, 'signal' | 'timeoutMs' | 'onHead'>) {
    const { promise, resolve, reject } = Promise.withResolvers<Received>()
    this.whole = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#onHead = onHead
    this.#signal = signal
    signal?.addEventListener('abort', this)
    if (timeoutMs === undefined) return
    this.#timer = setTimeout(() => {
      this.#abort(new DOMException('The time is over', 'TimeoutError'))
    }, timeoutMs).unref()
  }

  /** The signal has aborted. */
  handleEvent(): void {
    this.#abort(this.#signal?.reason)
  }

  /** What still waits for a connection is ended when it has one. */
  #abort(reason: Error): void {
    this.#endedBy = reason
    this.#end()
    this.#reject(reason)
    this.#controller?.abort(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#endedBy) controller.abort(this.#endedBy)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpHead['headers'],
  ): void {
    // Before the answer there may be others, such as 103.
    if (status < 200) return
    this.#head = { status, headers }
    this.#onHead?.(this.#head)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#end()
    const [first = Buffer.alloc(0), ...more] = this.#chunks
    const bytes = more.length === 0 ? first : Buffer.concat(this.#chunks)
    this.#resolve({ ...(this.#head as HttpHead), bytes })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end()
    this.#reject(
      error instanceof httpErrors.ResponseExceededMaxSizeError
        ? new UnreadableAnswerError('the body is too large')
        : error,
    )
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this)
  }
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
async function unpack(packed: Buffer, encoding: string | string[]): Promise<Buffer> {
  const name = encoding.toString().toLowerCase() || 'identity'
  if (name === 'identity') return packed
  const unpacker = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined
  if (!unpacker) throw new UnreadableAnswerError('the content encoding is unknown')
  try {
    return await unpacker(packed, { maxOutputLength: MAX_BODY_BYTES })
  } catch {
    throw new UnreadableAnswerError('the body cannot be unpacked, or is too large')
  }
}
