import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { Agent, request } from 'undici'
import { lasting, SCORES, type SimulatedJob } from '../../simulator/upstream/simulated-job.ts'
import type { Simulator } from '../../simulator/upstream/start-simulator.ts'
import { jobIds } from '../servers/completed-job.ts'
import type { Replica } from './replicas.ts'

/** Jobs that change, done jobs, and unknown jobs. */
const CHANGING = jobIds.slice(0, 20)
const DONE = jobIds.slice(20, 40)
const UNKNOWN = jobIds.slice(40, 50)
/** A job that is polled every 5 s at most shows each change; milliseconds. */
export const CHANGE_EVERY_MS = 7_000
const CHANGES = 100
/** Readers of each replica, who pause between their requests. */
const READERS = 4
const PAUSE_MS = 40

/** How long CDF takes for a response. */
export const CDF_MS = 20

/** A request of a reader. */
export interface Reading {
  atMs: number
  tookMs: number
  /** The status and the cache status. */
  outcome: string
}

/** What the callers of one replica have seen. */
export interface ReplicaLoad {
  readings: Reading[]
  failures: string[]
  /** When each change of a job was heard on the stream, by job id and time of the change. */
  heard: Map<string, number>
}

/** When a job changes, milliseconds after it was created. */
const changesOf = (number: number) =>
  Array.from({ length: CHANGES }, (_, time) =>
    Math.round((number / CHANGING.length + time + 1) * CHANGE_EVERY_MS),
  )

/** Callers of all replicas: readers of random jobs, and one stream for all changing jobs. */
export class FaultLoad {
  readonly loads = new Map<Replica, ReplicaLoad>()
  readonly #agent = new Agent({ connections: 2 * READERS })
  readonly #stopped = new AbortController()
  readonly #lost = new Set<Replica>()
  readonly #work: Promise<void>[] = []

  /** Adds the jobs, which change for an hour. */
  static addJobs({ cdf }: Simulator): void {
    cdf.faults.standing = { delayMs: CDF_MS }
    for (const jobId of DONE) cdf.addJob(lasting(jobId, 'Completed', SCORES))
    for (const [number, jobId] of CHANGING.entries()) {
      const first = { afterMs: 0, status: 'Running' }
      const changes = changesOf(number).map((afterMs) => ({ afterMs, status: 'Running' }))
      const steps: SimulatedJob['steps'] = [first, ...changes]
      cdf.addJob({ ...lasting(jobId, ''), steps })
    }
  }

  /** Starts the callers of a replica, whose results are in the returned object and in {@link loads}. */
  add(replica: Replica): ReplicaLoad {
    const load: ReplicaLoad = { readings: [], failures: [], heard: new Map() }
    this.loads.set(replica, load)
    for (let reader = 0; reader < READERS; reader += 1) this.#work.push(this.#read(replica, load))
    this.#work.push(this.#watch(replica, load))
    return load
  }

  /** The replica is about to be killed: its callers stop, and what they have seen does not count. */
  remove(replica: Replica): void {
    this.#lost.add(replica)
    this.loads.delete(replica)
  }

  /** The changes in a time, as in {@link ReplicaLoad.heard}. */
  changesBetween(createdMs: number, fromMs: number, toMs: number): string[] {
    return CHANGING.flatMap((jobId, number) =>
      changesOf(number)
        .map((afterMs) => createdMs + afterMs)
        .filter((atMs) => atMs >= fromMs && atMs < toMs)
        .map((atMs) => `${jobId} ${atMs}`),
    )
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#work)
    await this.#agent.destroy()
  }

  #isRunning(replica: Replica): boolean {
    return !this.#stopped.signal.aborted && !this.#lost.has(replica)
  }

  async #read(replica: Replica, { readings, failures }: ReplicaLoad): Promise<void> {
    const ids = [...CHANGING, ...DONE, ...UNKNOWN]
    while (this.#isRunning(replica)) {
      const jobId = ids[Math.floor(Math.random() * ids.length)] as string
      const atMs = performance.now()
      try {
        const url = `${replica.url}/jobs/${jobId}/quality`
        const { statusCode, headers, body } = await request(url, { dispatcher: this.#agent })
        const text = await body.text()
        const outcome = `${statusCode} ${headers['cache-status']} ${jobId}`
        readings.push({ atMs, tookMs: performance.now() - atMs, outcome })
        const expected = UNKNOWN.includes(jobId) ? 404 : 200
        if (statusCode !== expected) failures.push(`${statusCode} ${JSON.parse(text).code}`)
      } catch (error) {
        if (this.#isRunning(replica)) failures.push(String(error))
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()))
    }
  }

  async #watch(replica: Replica, { heard, failures }: ReplicaLoad): Promise<void> {
    const query = CHANGING.map((jobId) => `jobId=${jobId}`).join('&')
    const parser = createParser({
      onEvent: ({ event, data }) => {
        const { jobId, statusChangedAt, code } = JSON.parse(data)
        if (event === 'problem') failures.push(`stream ${code}`)
        else heard.set(`${jobId} ${Date.parse(statusChangedAt)}`, Date.now())
      },
    })
    try {
      const { body } = await request(`${replica.url}/jobs/quality/events?${query}`, {
        dispatcher: this.#agent,
        signal: this.#stopped.signal,
        bodyTimeout: 0,
      })
      for await (const chunk of body) parser.feed(String(chunk))
      if (this.#isRunning(replica)) failures.push('the stream ended')
    } catch (error) {
      if (this.#isRunning(replica)) failures.push(`stream ${String(error)}`)
    }
  }
}
