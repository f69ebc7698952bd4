import { Readable } from 'node:stream'
import type { Scheduler } from '../async/scheduler.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { CachedResponse } from './cached-response.ts'
import { entityTagFor } from './cached-response.ts'
import { toJobProblem } from './job-event.ts'
import type { JobPoller, JobSubscriber, SubscriptionContext } from './job-poller.ts'
import type { ReadResult } from './read-result.ts'
import { isFinal, stateTag } from './read-result.ts'

/** The first block of a stream: an EventSource reconnects after this many milliseconds. */
const RETRY = Buffer.from('retry: 2000\n\n')
/** Proxies cut idle connections; a comment keeps them open. */
const HEARTBEAT_MS = 15_000
const HEARTBEAT = Buffer.from(': keep-alive\n\n')

/** Options of {@link JobEventStream}. */
export interface JobEventStreamOptions {
  /** Without duplicates. */
  jobIds: readonly JobId[]
  poller: Pick<JobPoller, 'subscribe' | 'unsubscribe'>
  schedule: Scheduler
  /** The request, for the first reads and for problems. */
  context: SubscriptionContext & { readonly publicUrl?: string }
  /** After this time the stream ends, once every job has had an event; Infinity = no time limit. */
  endsInMs: number
  /** Results that were read just before. */
  known?: ReadonlyMap<JobId, ReadResult>
}

/**
 * Server-sent events for jobs: `status` with a JobQuality and its entity tag as id, `problem` with a JobProblem. The stream ends when the state of every job is final.
 *
 * For a slow client it buffers the latest state of each job and no history. (`@fastify/sse` sends heartbeats without
 * regard to backpressure, and serializes each event once per stream.)
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class JobEventStream extends Readable implements JobSubscriber {
  readonly #options: JobEventStreamOptions
  /** Undelivered states. */
  readonly #pending = new Map<JobId, ReadResult>()
  readonly #sentTags = new Map<JobId, string>()
  /** Number of jobs whose last state has not been received. */
  #remaining: number
  #isReading = false
  #isExpired = false
  #cancelHeartbeat = () => {}
  #cancelExpiry = () => {}

  constructor(options: JobEventStreamOptions) {
    // One chunk at a time, so that a newer state can replace an undelivered one.
    super({ highWaterMark: 1 })
    this.#options = options
    this.#remaining = options.jobIds.length
    this.push(RETRY)
    const { schedule, jobIds, poller, context, endsInMs, known } = options
    for (const jobId of jobIds) poller.subscribe(jobId, this, context, known?.get(jobId))
    this.#scheduleHeartbeat()
    if (endsInMs !== Number.POSITIVE_INFINITY) {
      this.#cancelExpiry = schedule(Math.max(0, endsInMs), () => {
        this.#isExpired = true
        this.#endIfComplete()
      })
    }
  }

  onUpdate(jobId: JobId, result: ReadResult): void {
    this.#pending.set(jobId, result)
    this.#flush()
  }

  onEnd(): void {
    this.#remaining -= 1
    this.#flush()
  }

  override _read(): void {
    this.#isReading = true
    this.#flush()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#unsubscribe()
    done(error)
  }

  /** Ends the stream now, whatever is undelivered. */
  finish(): void {
    this.#unsubscribe()
    this.#isReading = false
    this.push(null)
  }

  #flush(): void {
    if (!this.#isReading) return
    if (this.#pending.size > 0) {
      const events = this.#takeEvents()
      this.#isReading = this.push(events)
    }
    this.#endIfComplete()
  }

  #endIfComplete(): void {
    const isComplete = this.#remaining === 0 && this.#pending.size === 0
    const hasSentAll = this.#sentTags.size === this.#options.jobIds.length
    if (isComplete || (this.#isExpired && hasSentAll)) this.finish()
  }

  /** One event per undelivered state. The bytes of a `status` event are shared by all streams. */
  #takeEvents(): Buffer {
    const { jobIds, context } = this.#options
    const events: Buffer[] = []
    for (const [jobId, result] of this.#pending) {
      this.#sentTags.set(jobId, stateTag(result))
      events.push(
        result.response ? statusEvent(result.response) : problemEvent(jobId, result, context),
      )
    }
    this.#pending.clear()
    if (jobIds.length > 1) {
      // The last event id stands for the state of all jobs. A block without data dispatches no event.
      const tags = jobIds.map((jobId) => this.#sentTags.get(jobId) ?? '')
      events.push(Buffer.from(`id: ${entityTagFor(tags.join())}\n\n`))
    }
    return Buffer.concat(events)
  }

  #scheduleHeartbeat(): void {
    this.#cancelHeartbeat = this.#options.schedule(HEARTBEAT_MS, () => {
      if (this.#isReading) this.#isReading = this.push(HEARTBEAT)
      this.#scheduleHeartbeat()
    })
  }

  #unsubscribe(): void {
    const { jobIds, poller } = this.#options
    this.#cancelHeartbeat()
    this.#cancelExpiry()
    for (const jobId of jobIds) poller.unsubscribe(jobId, this)
  }
}

/**
 * Whether a reconnecting client already has the final state of all jobs.
 * @param lastEventId the `Last-Event-ID` header
 * @param results of all jobs of the stream, in their order
 */
export function hasSeenAll(lastEventId: string, results: readonly ReadResult[]): boolean {
  if (!results.every(isFinal)) return false
  const tags = results.map(stateTag)
  return tags.at(-1) === lastEventId || entityTagFor(tags.join()) === lastEventId
}

const statusEvents = new WeakMap<CachedResponse, Buffer>()

function statusEvent(response: CachedResponse): Buffer {
  let event = statusEvents.get(response)
  if (!event) {
    event = Buffer.from(`event: status\nid: ${response.etag}\ndata: ${response.body}\n\n`)
    statusEvents.set(response, event)
  }
  return event
}

/** A permanent problem has an id, so that a client that reconnects with it gets a 204. */
function problemEvent(
  jobId: JobId,
  result: Extract<ReadResult, { problem: object }>,
  { requestId, publicUrl }: JobEventStreamOptions['context'],
): Buffer {
  const id = isFinal(result) ? `id: ${stateTag(result)}\n` : ''
  const data = JSON.stringify(toJobProblem(result.problem.toProblem(requestId, publicUrl), jobId))
  return Buffer.from(`event: problem\n${id}data: ${data}\n\n`)
}
