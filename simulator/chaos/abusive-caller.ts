import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'

/** Options of {@link AbusiveCaller}. */
export interface AbusiveCallerOptions {
  /** The URL of the service, which trusts one proxy. */
  url: string
  authorization: string
  dispatcher: Dispatcher
  /** Ids of running jobs, more of them than one caller may watch. */
  jobIds: readonly string[]
}

const JOBS_AT_ONCE = 100
const LISTS_IN_FLIGHT = 6
const PIPELINED = 100
const BAD_TOKENS = 50
/** Many addresses, but within the limit for all headers, which is 32 KiB. */
const LONG_FORWARDED_FOR = Array.from({ length: 1_000 }, (_, number) => `10.0.0.${number % 256}`)
/** Pauses, so that the other callers share the processor with it. */
const EVERY_MS = { list: 600, streams: 1_000, pipeline: 1_000, badTokens: 1_000 }

/**
 * A caller that uses as much as the service lets it: lists of unknown ids, many streams, pipelined pages, invalid tokens,
 * and long `X-Forwarded-For` headers, all at the same time.
 */
export class AbusiveCaller {
  /** Number of responses by kind and status. */
  readonly counts = new Map<string, number>()
  readonly violations: string[] = []
  readonly #options: AbusiveCallerOptions
  #unknownIds = 1_000_000

  constructor(options: AbusiveCallerOptions) {
    this.#options = options
  }

  /** Runs until this time of `performance.now()`. */
  async runUntil(endMs: number): Promise<void> {
    const repeat = async (everyMs: number, send: () => Promise<unknown>) => {
      while (performance.now() < endMs) await Promise.all([send(), sleep(everyMs)])
    }
    await Promise.all([
      ...Array.from({ length: LISTS_IN_FLIGHT }, () => repeat(EVERY_MS.list, () => this.#list())),
      repeat(EVERY_MS.streams, () => this.#streams()),
      repeat(EVERY_MS.pipeline, () => this.#pipeline()),
      repeat(EVERY_MS.badTokens, () => this.#badTokens()),
    ])
  }

  #list(): Promise<void> {
    const ids = Array.from({ length: JOBS_AT_ONCE }, () => String(this.#unknownIds++))
    return this.#get('list', `/jobs/quality?${queryOf(ids)}`)
  }

  /** Opens streams for all jobs, and disconnects. */
  async #streams(): Promise<void> {
    const { jobIds } = this.#options
    const signal = AbortSignal.timeout(EVERY_MS.streams)
    const opened: Promise<void>[] = []
    for (let from = 0; from < jobIds.length; from += JOBS_AT_ONCE) {
      const ids = jobIds.slice(from, from + JOBS_AT_ONCE)
      opened.push(this.#get('stream', `/jobs/quality/events?${queryOf(ids)}`, {}, signal))
      await sleep(EVERY_MS.streams / 10)
    }
    await Promise.all(opened)
  }

  /** Sends requests for a page in one write, and reads until the service closes the connection. */
  async #pipeline(): Promise<void> {
    const socket = connect(Number(new URL(this.#options.url).port), '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.write('GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(PIPELINED))
    await new Promise((resolve) => socket.once('close', resolve))
  }

  /** From one address, and through a proxy that names one more address each time. */
  async #badTokens(): Promise<void> {
    const path = `/jobs/${this.#options.jobIds[0]}/quality`
    await Promise.all(
      Array.from({ length: BAD_TOKENS }, (_, number) => {
        const authorization = `Bearer a.${number}.c`
        const forwardedFor = [...LONG_FORWARDED_FOR, `192.0.2.${number}`].join(',')
        return number % 2 === 0
          ? this.#get('bad token', path, { authorization })
          : this.#get('bad token', path, { authorization, 'x-forwarded-for': forwardedFor })
      }),
    )
    await this.#get('huge header', path, { 'x-forwarded-for': 'nonsense,'.repeat(4_000) })
  }

  async #get(
    kind: string,
    path: string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<void> {
    const { url, authorization, dispatcher } = this.#options
    try {
      const { statusCode, body } = await request(`${url}${path}`, {
        dispatcher,
        headers: { authorization, ...headers },
        ...(signal && { signal }),
      })
      const key = `${kind}: ${statusCode}`
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
      if (statusCode === 500) this.violations.push(`${kind}: 500`)
      await body.dump({ limit: Number.POSITIVE_INFINITY })
    } catch (error) {
      if (!signal?.aborted) this.violations.push(`${kind} failed: ${String(error)}`)
    }
  }
}

function queryOf(jobIds: readonly string[]): string {
  return jobIds.map((jobId) => `jobId=${jobId}`).join('&')
}
