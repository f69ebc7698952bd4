import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { request } from 'undici'
import { ContractRules } from './contract-rules.ts'

/** What a {@link ChaosCaller} works with. */
export interface ChaosCallerOptions {
  /** Where the service listens. */
  url: string
  authorization: string
  dispatcher: Dispatcher
  /** Ids by what they stand for. */
  jobs: Record<'done' | 'pending' | 'unknown' | 'invalid', readonly string[]>
  /** No answer may take longer than this, in milliseconds. */
  maxAnswerMs: number
  /** How much faster the service's clock runs than the real one. */
  speed: number
  /** 0 ≤ random() < 1. */
  random: () => number
}

const WAIT_SECONDS = 5

/** Asks in every way that there is, hangs up now and then, and looks whether the contract allows what it gets. */
export class ChaosCaller {
  readonly violations: string[] = []
  /** How often each kind of answer came. */
  readonly seen = new Map<string, number>()
  readonly #options: ChaosCallerOptions
  readonly #rules = new ContractRules()

  constructor(options: ChaosCallerOptions) {
    this.#options = options
  }

  /** One request of any kind. */
  async act(): Promise<void> {
    const { maxAnswerMs, speed, jobs, random } = this.#options
    const dice = random()
    if (dice < 0.9) {
      const kinds = Object.values(jobs)
      // Few ids are invalid.
      const jobId = this.#oneOf(kinds[Math.floor(random() * (kinds.length - 0.8))] ?? jobs.done)
      await this.#ask(`/jobs/${jobId}/quality`, [jobId], { maxMs: maxAnswerMs })
    } else if (dice < 0.94) {
      const jobIds = this.#goodIds(10)
      await this.#ask(`/jobs/quality?${queryOf(jobIds)}`, jobIds, { maxMs: maxAnswerMs })
    } else if (dice < 0.97) {
      const jobId = this.#oneOf([...jobs.done, ...jobs.pending])
      const maxMs = maxAnswerMs + (1_000 * WAIT_SECONDS) / speed
      await this.#ask(`/jobs/${jobId}/quality`, [jobId], { maxMs, prefer: `wait=${WAIT_SECONDS}` })
    } else await this.#stream(this.#goodIds(3))
  }

  async #ask(
    path: string,
    jobIds: readonly string[],
    { maxMs, prefer }: { maxMs: number; prefer?: string },
  ): Promise<void> {
    const { url, authorization, dispatcher, random } = this.#options
    const leaves = random() < 0.05 ? AbortSignal.timeout(Math.ceil(random() * 50)) : undefined
    const startedAtMs = performance.now()
    try {
      const answer = await request(`${url}${path}`, {
        dispatcher,
        headers: { authorization, ...(prefer !== undefined && { prefer }) },
        ...(leaves && { signal: leaves }),
      })
      const text = await answer.body.text()
      const tookMs = performance.now() - startedAtMs
      this.#note(path, this.#rules.violationOf(jobIds, answer.statusCode, answer.headers, text))
      if (tookMs > maxMs) this.#note(path, `${Math.round(tookMs)} ms`)
      this.#count(
        answer.statusCode === 200
          ? String(answer.headers['cache-status'])
          : (JSON.parse(text) as { code: string }).code,
      )
    } catch (error) {
      if (!leaves?.aborted) this.#note(path, `unanswered, ${String(error)}`)
    }
  }

  /** A stream for a moment. */
  async #stream(jobIds: readonly string[]): Promise<void> {
    const { url, authorization, dispatcher, random } = this.#options
    const path = `/jobs/quality/events?${queryOf(jobIds)}`
    const leaves = AbortSignal.timeout(Math.ceil(random() * 500))
    const parser = createParser({
      onEvent: ({ event, data }) => {
        this.#note(path, this.#rules.violationOfEvent(event, data))
        this.#count(`event ${event}`)
      },
    })
    try {
      const options = { dispatcher, headers: { authorization }, signal: leaves }
      const { statusCode, body } = await request(`${url}${path}`, options)
      if (statusCode !== 200) this.#note(path, String(statusCode))
      for await (const chunk of body) parser.feed(String(chunk))
    } catch (error) {
      if (!leaves.aborted) this.#note(path, `broken off, ${String(error)}`)
    }
  }

  #goodIds(count: number): string[] {
    const { done, pending, unknown } = this.#options.jobs
    const any = [...done, ...pending, ...unknown]
    return [...new Set(Array.from({ length: count }, () => this.#oneOf(any)))]
  }

  #oneOf(choices: readonly string[]): string {
    return choices[Math.floor(this.#options.random() * choices.length)] ?? ''
  }

  #note(path: string, violation: string | undefined): void {
    if (violation !== undefined) this.violations.push(`${path}: ${violation}`)
  }

  #count(kind: string): void {
    this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1)
  }
}

function queryOf(jobIds: readonly string[]): string {
  return jobIds.map((jobId) => `jobId=${jobId}`).join('&')
}
