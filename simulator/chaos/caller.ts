import { type Dispatcher, fetch, type RequestInit, request } from 'undici'
import { type Client, createClient, type JobUpdate, ProblemError } from '../../client/src/index.ts'
import { systemTiming } from '../../client/src/timing.ts'
import { ContractRules } from './contract-rules.ts'

/** Options of {@link ChaosCaller}. */
export interface ChaosCallerOptions {
  /** The URLs of the replicas of the service. */
  urls: readonly string[]
  accessToken: string
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

/**
 * Sends random requests, disconnects from some of them early, and checks each response against the contract. Streams and
 * some waits use the client package.
 */
export class ChaosCaller {
  readonly violations: string[] = []
  /** Number of responses and events of each kind. */
  readonly counts = new Map<string, number>()
  /** Whether CDF has no faults. Then no read may be rejected as `overloaded`, whatever other callers do. */
  isCdfHealthy = false
  readonly #options: ChaosCallerOptions
  readonly #rules = new ContractRules()
  readonly #clients: readonly Client[]

  constructor(options: ChaosCallerOptions) {
    this.#options = options
    const { urls, accessToken, dispatcher, speed, random } = options
    this.#clients = urls.map((baseUrl) =>
      createClient(
        {
          baseUrl,
          token: accessToken,
          fetch: (input, init) => fetch(String(input), { ...init, dispatcher } as RequestInit),
        },
        {
          now: () => systemTiming.now() * speed,
          schedule: (delayMs, task) => systemTiming.schedule(delayMs / speed, task),
          random,
        },
      ),
    )
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
    } else if (kind < 0.96) {
      const jobId = this.#oneOf([...jobs.done, ...jobs.pending])
      const maxMs = maxResponseMs + (1_000 * WAIT_SECONDS) / speed
      await this.#get(`/jobs/${jobId}/quality`, [jobId], { maxMs, prefer: `wait=${WAIT_SECONDS}` })
    } else if (kind < 0.97) await this.#waitUntilDone(this.#oneOf([...jobs.done, ...jobs.pending]))
    else await this.#follow(this.#validIds(3))
  }

  async #get(
    path: string,
    jobIds: readonly string[],
    { maxMs, prefer }: { maxMs: number; prefer?: string },
  ): Promise<void> {
    const { urls, accessToken, dispatcher, random } = this.#options
    const disconnect = random() < 0.05 ? AbortSignal.timeout(Math.ceil(random() * 50)) : undefined
    const startedAtMs = performance.now()
    const { isCdfHealthy } = this
    try {
      const response = await request(`${this.#oneOf(urls)}${path}`, {
        dispatcher,
        headers: {
          authorization: `Bearer ${accessToken}`,
          ...(prefer !== undefined && { prefer }),
        },
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

  async #waitUntilDone(jobId: string): Promise<void> {
    const path = `wait until ${jobId} is done`
    await this.#useClient(path, async (options) => {
      await this.#oneOf(this.#clients).waitUntilDone(jobId, {
        ...options,
        onChange: (quality) => this.#noteUpdate(path, { jobId, quality, problem: null }),
      })
    })
  }

  async #follow(jobIds: readonly string[]): Promise<void> {
    const path = `follow ${jobIds}`
    await this.#useClient(path, async (options) => {
      for await (const update of this.#oneOf(this.#clients).follow(jobIds, options))
        this.#noteUpdate(path, update)
    })
  }

  /** Uses the client for up to 500 ms. No connection may fail, and no problem may end the work. */
  async #useClient(
    path: string,
    work: (options: {
      signal: AbortSignal
      onRetry: (error: ProblemError) => void
    }) => Promise<void>,
  ): Promise<void> {
    const signal = AbortSignal.timeout(Math.ceil(this.#options.random() * 500))
    const { isCdfHealthy } = this
    const onRetry = ({ code }: ProblemError) => {
      if (code === 'connection-failed' || code === 'unexpected-response') this.#note(path, code)
      this.#noteProblems(path, [code], isCdfHealthy)
    }
    try {
      await work({ signal, onRetry })
    } catch (error) {
      if (error === signal.reason) return
      if (error instanceof ProblemError && !isCdfHealthy) onRetry(error)
      else this.#note(path, `failed: ${String(error)}`)
    }
  }

  #noteUpdate(path: string, update: JobUpdate): void {
    this.#note(path, this.#rules.violationOfUpdate(update))
    this.#noteProblems(path, update.problem ? [update.problem.code] : [], this.isCdfHealthy)
    this.#count(`update ${update.problem ? update.problem.code : update.quality.status}`)
  }

  #validIds(count: number): string[] {
    const { done, pending, unknown } = this.#options.jobs
    const valid = [...done, ...pending, ...unknown]
    return [...new Set(Array.from({ length: count }, () => this.#oneOf(valid)))]
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#options.random() * choices.length)] as T
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
