import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { request } from 'undici'
import { ContractRules } from './contract-rules.ts'

/** Options of {@link ChaosCaller}. */
export interface ChaosCallerOptions {
  /** The URL of the service. */
  url: string
  authorization: string
  dispatcher: Dispatcher
  /** Job ids by kind. */
  jobs: Record<'done' | 'pending' | 'unknown' | 'invalid', readonly string[]>
  /** The longest time that a response may take, in milliseconds. */
  maxResponseMs: number
  /** How many times faster than the real clock the clock of the service runs. */
  speed: number
  /** Like `Math.random`. */
  random: () => number
}

const WAIT_SECONDS = 5

/** Sends random requests, disconnects from some of them early, and checks each response against the contract. */
export class ChaosCaller {
  readonly violations: string[] = []
  /** Number of responses and events of each kind. */
  readonly counts = new Map<string, number>()
  /** Whether CDF has no faults. Then no read may be rejected as `overloaded`, whatever other callers do. */
  isCdfHealthy = false
  readonly #options: ChaosCallerOptions
  readonly #rules = new ContractRules()

  constructor(options: ChaosCallerOptions) {
    this.#options = options
  }

  /** Sends one request: mostly for one job, sometimes for a list, with a wait, or for a stream. */
  async sendRandomRequest(): Promise<void> {
    const { maxResponseMs, speed, jobs, random } = this.#options
    const kind = random()
    if (kind < 0.9) {
      const idsByKind = Object.values(jobs)
      // The last kind, invalid ids, is less frequent than the others.
      const jobId = this.#oneOf(
        idsByKind[Math.floor(random() * (idsByKind.length - 0.8))] ?? jobs.done,
      )
      await this.#get(`/jobs/${jobId}/quality`, [jobId], { maxMs: maxResponseMs })
    } else if (kind < 0.94) {
      const jobIds = this.#validIds(10)
      await this.#get(`/jobs/quality?${queryOf(jobIds)}`, jobIds, { maxMs: maxResponseMs })
    } else if (kind < 0.97) {
      const jobId = this.#oneOf([...jobs.done, ...jobs.pending])
      const maxMs = maxResponseMs + (1_000 * WAIT_SECONDS) / speed
      await this.#get(`/jobs/${jobId}/quality`, [jobId], { maxMs, prefer: `wait=${WAIT_SECONDS}` })
    } else await this.#stream(this.#validIds(3))
  }

  async #get(
    path: string,
    jobIds: readonly string[],
    { maxMs, prefer }: { maxMs: number; prefer?: string },
  ): Promise<void> {
    const { url, authorization, dispatcher, random } = this.#options
    const disconnect = random() < 0.05 ? AbortSignal.timeout(Math.ceil(random() * 50)) : undefined
    const startedAtMs = performance.now()
    const { isCdfHealthy } = this
    try {
      const response = await request(`${url}${path}`, {
        dispatcher,
        headers: { authorization, ...(prefer !== undefined && { prefer }) },
        ...(disconnect && { signal: disconnect }),
      })
      const text = await response.body.text()
      const tookMs = performance.now() - startedAtMs
      this.#note(path, this.#rules.violationOf(jobIds, response.statusCode, response.headers, text))
      if (tookMs > maxMs) this.#note(path, `took ${Math.round(tookMs)} ms`)
      const codes = problemCodesIn(text)
      this.#noteProblems(path, codes, isCdfHealthy)
      this.#count(
        response.statusCode === 200 ? String(response.headers['cache-status']) : String(codes[0]),
      )
    } catch (error) {
      if (!disconnect?.aborted) this.#note(path, `failed: ${String(error)}`)
    }
  }

  async #stream(jobIds: readonly string[]): Promise<void> {
    const { url, authorization, dispatcher, random } = this.#options
    const path = `/jobs/quality/events?${queryOf(jobIds)}`
    const disconnect = AbortSignal.timeout(Math.ceil(random() * 500))
    const { isCdfHealthy } = this
    const parser = createParser({
      onEvent: ({ event, data }) => {
        this.#note(path, this.#rules.violationOfEvent(event, data))
        this.#noteProblems(path, problemCodesIn(data), isCdfHealthy)
        this.#count(`event ${event}`)
      },
    })
    try {
      const options = { dispatcher, headers: { authorization }, signal: disconnect }
      const { statusCode, body } = await request(`${url}${path}`, options)
      if (statusCode !== 200) this.#note(path, `status ${statusCode}`)
      for await (const chunk of body) parser.feed(String(chunk))
    } catch (error) {
      if (!disconnect.aborted) this.#note(path, `failed: ${String(error)}`)
    }
  }

  #validIds(count: number): string[] {
    const { done, pending, unknown } = this.#options.jobs
    const valid = [...done, ...pending, ...unknown]
    return [...new Set(Array.from({ length: count }, () => this.#oneOf(valid)))]
  }

  #oneOf(choices: readonly string[]): string {
    return choices[Math.floor(this.#options.random() * choices.length)] ?? ''
  }

  #note(path: string, violation: string | undefined): void {
    if (violation !== undefined) this.violations.push(`${path}: ${violation}`)
  }

  /** This caller is within its limits, so a 429 is a violation in any case. */
  #noteProblems(path: string, codes: readonly string[], isCdfHealthy: boolean): void {
    for (const code of codes) {
      if (code === 'too-many-requests' || (code === 'overloaded' && isCdfHealthy))
        this.#note(path, `${code}, because of another caller`)
    }
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }
}

/** The codes of the problems in a response or an event. */
function problemCodesIn(text: string): string[] {
  const { code, items = [] }: { code?: string; items?: { problem?: { code: string } }[] } =
    JSON.parse(text)
  return [code, ...items.map(({ problem }) => problem?.code)].filter((each) => each !== undefined)
}

function queryOf(jobIds: readonly string[]): string {
  return jobIds.map((jobId) => `jobId=${jobId}`).join('&')
}
