import type { JobQuality, JobUpdate } from './contract.ts'
import { canonicalJobId, queryOf } from './job-ids.ts'
import { retryAfterSecondsOf, unexpectedResponse } from './problem-error.ts'
import { type SendRequest, textOf } from './send-request.ts'

/** The service responds within 10 s. */
const TIMEOUT_MS = 30_000
/** Greatest number of jobs whose last response is kept. */
const MAX_KEPT = 1_000

/** A response for one job. */
export interface JobResponse {
  quality: JobQuality
  /** Absent if a proxy has removed it. */
  etag?: string
  /** How long to wait before the next request, if that does not wait for a change. */
  retryAfterSeconds?: number | undefined
}

/** Options of {@link JobReader.read}. */
export interface ReadOptions {
  signal?: AbortSignal | undefined
  /** The last response, which a 304 repeats. */
  known?: JobResponse | undefined
  /** How long the service may hold the request until the job changes, 1 to 25. Absent: not at all. */
  waitSeconds?: number | undefined
}

/** Reads jobs, and keeps the last response of each of the last 1,000 jobs: a 304 has no body. */
export class JobReader {
  readonly #send: SendRequest
  /** By canonical job id; the oldest first. */
  readonly #kept = new Map<string, JobResponse>()

  constructor(send: SendRequest) {
    this.#send = send
  }

  /** The last response of a job. */
  kept(jobId: string): JobResponse | undefined {
    return this.#kept.get(canonicalJobId(jobId))
  }

  /** Reads one job. */
  async read(jobId: string, { signal, known, waitSeconds }: ReadOptions): Promise<JobResponse> {
    const id = canonicalJobId(jobId)
    const request = {
      path: `/jobs/${encodeURIComponent(id)}/quality`,
      headers: {
        ...(known?.etag && { 'if-none-match': known.etag }),
        ...(waitSeconds && { prefer: `wait=${waitSeconds}` }),
      },
      signal,
      timeoutMs: TIMEOUT_MS + 1000 * (waitSeconds ?? 0),
    }
    const read = await this.#send(request, async (response): Promise<JobResponse> => {
      const { status, headers } = response
      const etag = headers.get('etag')
      const quality = status === 304 && known ? known.quality : await jsonOf(response, isJobQuality)
      const tag = status === 304 ? known?.etag : etag
      return { quality, ...(tag && { etag: tag }), retryAfterSeconds: retryAfterSecondsOf(headers) }
    })
    this.#keep(id, read)
    return read
  }

  /** Reads up to 100 jobs, given by their canonical ids. */
  async readList(jobIds: readonly string[], signal?: AbortSignal): Promise<JobUpdate[]> {
    const request = { path: `/jobs/quality?${queryOf(jobIds)}`, signal, timeoutMs: TIMEOUT_MS }
    const isList = (body: { items?: unknown }): body is { items: JobUpdate[] } =>
      Array.isArray(body.items) && body.items.length === jobIds.length
    const { items } = await this.#send(request, (response) => jsonOf(response, isList))
    return items
  }

  #keep(id: string, response: JobResponse): void {
    this.#kept.delete(id)
    this.#kept.set(id, response)
    const [oldest = id] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(oldest)
  }
}

const isJobQuality = (body: object): body is JobQuality => 'status' in body

/** @param isExpected tells a response of the service from the page of another server */
async function jsonOf<Body extends object>(
  response: Response,
  isExpected: (body: object) => body is Body,
): Promise<Body> {
  const text = await textOf(response)
  try {
    const body: object = JSON.parse(text)
    if (isExpected(body)) return body
  } catch {
    // Not JSON.
  }
  throw unexpectedResponse(response)
}
