import { Readable } from 'node:stream'
import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import { entityTagFor, isSameEntityTag } from '../http/entity-tag.ts'
import { toJobProblem } from './job-event.ts'
import type { JobPoller, JobSubscriber, SubscriptionContext } from './job-poller.ts'
import { isFinal, type ReadResult, stateTag } from './read-result.ts'

/** An EventSource reconnects after this many milliseconds. Part of the first event: a block without data confuses clients. */
const RETRY = 'retry: 2000\n'
/** Proxies cut idle connections; a comment keeps them open. Without an empty line, because that would end an event. */
const HEARTBEAT = ': keep-alive\n'
const HEARTBEAT_MS = 15_000

interface JobEventStreamOptions extends Pick<Clock, 'schedule'> {
  /** Without duplicates. */
  jobIds: readonly JobId[]
  poller: Pick<JobPoller, 'subscribe' | 'unsubscribe'>
  /** The request, for the first reads and for problems. */
  context: SubscriptionContext & { readonly publicUrl?: string }
  /** After this time the stream ends, once every job has had an event; Infinity = no time limit. */
  expiresInMs: number
  /** Results that were read just before. */
  firstResults?: ReadonlyMap<JobId, ReadResult>
}

/**
 * Server-sent events for jobs: `status` with a JobQuality, `problem` with a JobProblem. The id of an event stands
 * for all states that the stream has sent so far. The stream ends when the state of every job is final, or after its time.
 *
 * For a slow client it buffers the latest state of each job and no history. (`@fastify/sse` sends heartbeats regardless of
 * backpressure.)
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
    // Sends the response headers before the first event.
    this.push(HEARTBEAT)
    const { schedule, jobIds, poller, context, expiresInMs, firstResults } = options
    for (const jobId of jobIds) poller.subscribe(jobId, this, context, firstResults?.get(jobId))
    this.#scheduleHeartbeat()
    if (expiresInMs !== Number.POSITIVE_INFINITY) {
      this.#cancelExpiry = schedule(Math.max(0, expiresInMs), () => {
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

  /** One event per undelivered state. */
  #takeEvents(): string {
    const { jobIds, context } = this.#options
    let events = ''
    for (const [jobId, result] of this.#pending) {
      if (this.#sentTags.size === 0) events += RETRY
      this.#sentTags.set(jobId, tagOf(jobId, result))
      events += eventFields(jobId, result, context)
      // The last field: some clients use an id before its event is complete.
      events += `id: ${eventId(jobIds.map((id) => this.#sentTags.get(id) ?? ''))}\n\n`
    }
    this.#pending.clear()
    return events
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
export function hasSeenAll(
  lastEventId: string,
  jobIds: readonly JobId[],
  results: readonly ReadResult[],
): boolean {
  const tags = results.map((result, index) => tagOf(jobIds[index] as JobId, result))
  return results.every(isFinal) && isSameEntityTag(lastEventId, eventId(tags))
}

/** Identifies the state of one job among all jobs. */
function tagOf(jobId: JobId, result: ReadResult): string {
  return result.response ? result.response.etag : entityTagFor(`${jobId} ${stateTag(result)}`)
}

/** @param tags of all jobs of the stream, in their order; empty before the first event of a job */
function eventId(tags: readonly string[]): string {
  return tags.length === 1 ? String(tags[0]) : entityTagFor(tags.join())
}

function eventFields(
  jobId: JobId,
  { response, problem }: ReadResult,
  { requestId, publicUrl }: JobEventStreamOptions['context'],
): string {
  if (response) return `event: status\ndata: ${response.body}\n`
  const data = toJobProblem(problem.toProblem(requestId, publicUrl), jobId)
  return `event: problem\ndata: ${JSON.stringify(data)}\n`
}
