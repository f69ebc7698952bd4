import { Readable } from 'node:stream'
import type { After } from '../after.ts'
import type { JobId } from '../cdf/job-id.ts'
import type { JobAnswer } from './job-answer.ts'
import { entityTagOf } from './job-answer.ts'
import type { JobRead } from './job-read.ts'
import { isFinal, tagOf } from './job-read.ts'
import type { CallOrigin, JobWatches, Watcher } from './job-watches.ts'

/** How long an EventSource waits before it comes back, in milliseconds; the first thing that a stream says. */
const RETRY = Buffer.from('retry: 2000\n\n')
/** Between two comment lines, for proxies that cut what is idle. */
const HEARTBEAT_MS = 15_000
const HEARTBEAT = Buffer.from(': keep-alive\n\n')

/** What a {@link JobEventStream} streams. */
export interface JobEventStreamOptions {
  /** Each once. */
  jobIds: readonly JobId[]
  watches: Pick<JobWatches, 'watch' | 'unwatch'>
  after: After
  /** Of the request, for the first reads and for problems. */
  origin: CallOrigin
  /** The stream ends after this at the latest, but with one event for each job; Infinity = only when the jobs are done. */
  endsInMs: number
  /** What was read of some of them just now. */
  known?: ReadonlyMap<JobId, JobRead>
}

/**
 * What becomes of jobs, as server-sent events: `status` with a JobQuality and its entity tag as id, `problem` with a
 * Problem and its jobId. Ends when nothing more will be told.
 *
 * Read slowly, it holds the newest state of each job and no queue of them. (`@fastify/sse` sends heartbeats whether or
 * not anybody reads, and makes the bytes of an event anew for each stream.)
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class JobEventStream extends Readable implements Watcher {
  readonly #options: JobEventStreamOptions
  /** What has not been sent yet. */
  readonly #news = new Map<JobId, JobRead>()
  readonly #sentTags = new Map<JobId, string>()
  #untold: number
  #isWanted = false
  #isTimeUp = false
  #cancelHeartbeat = () => {}
  #cancelEnd = () => {}

  constructor(options: JobEventStreamOptions) {
    // One chunk at a time: whatever is not asked for stays where a newer state can take its place.
    super({ highWaterMark: 1 })
    this.#options = options
    this.#untold = options.jobIds.length
    this.push(RETRY)
    const { after, jobIds, watches, origin, endsInMs, known } = options
    for (const jobId of jobIds) watches.watch(jobId, this, origin, known?.get(jobId))
    this.#beatLater()
    if (endsInMs !== Number.POSITIVE_INFINITY) {
      this.#cancelEnd = after(Math.max(0, endsInMs), () => {
        this.#isTimeUp = true
        this.#endIfOver()
      })
    }
  }

  told(jobId: JobId, read: JobRead): void {
    this.#news.set(jobId, read)
    this.#flush()
  }

  ended(): void {
    this.#untold -= 1
    this.#flush()
  }

  override _read(): void {
    this.#isWanted = true
    this.#flush()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#leave()
    done(error)
  }

  #flush(): void {
    if (!this.#isWanted) return
    if (this.#news.size > 0) {
      const events = this.#events()
      this.#news.clear()
      this.#isWanted = this.push(events)
    }
    this.#endIfOver()
  }

  #endIfOver(): void {
    const isAllTold = this.#untold === 0 && this.#news.size === 0
    const hasToldOfEach = this.#sentTags.size === this.#options.jobIds.length
    if (isAllTold || (this.#isTimeUp && hasToldOfEach)) this.#end()
  }

  /** One event for each job that has news. The bytes of a status are the same for every stream. */
  #events(): Buffer {
    const { jobIds, origin } = this.#options
    const events: Buffer[] = []
    for (const [jobId, read] of this.#news) {
      this.#sentTags.set(jobId, tagOf(read))
      events.push(read.answer ? statusEvent(read.answer) : problemEvent(jobId, read, origin))
    }
    if (jobIds.length > 1) {
      // What is known of all of them is the id to come back with; a block without data is no event.
      const tags = jobIds.map((jobId) => this.#sentTags.get(jobId) ?? '')
      events.push(Buffer.from(`id: ${entityTagOf(tags.join())}\n\n`))
    }
    return events.length === 1 ? (events[0] as Buffer) : Buffer.concat(events)
  }

  #beatLater(): void {
    this.#cancelHeartbeat = this.#options.after(HEARTBEAT_MS, () => {
      if (this.#isWanted) this.#isWanted = this.push(HEARTBEAT)
      this.#beatLater()
    })
  }

  #end(): void {
    this.#leave()
    this.#isWanted = false
    this.push(null)
  }

  #leave(): void {
    const { jobIds, watches } = this.#options
    this.#cancelHeartbeat()
    this.#cancelEnd()
    for (const jobId of jobIds) watches.unwatch(jobId, this)
  }
}

/**
 * Whether a caller has been told all there is, so that it need not come back.
 * @param lastEventId as it came in `Last-Event-ID`
 * @param reads of all jobs of the stream, in their order
 */
export function knowsAll(lastEventId: string, reads: readonly JobRead[]): boolean {
  if (!reads.every(isFinal)) return false
  const tags = reads.map(tagOf)
  // The last event of a stream of final states is that of its last job.
  return tags.at(-1) === lastEventId || entityTagOf(tags.join()) === lastEventId
}

const statusEvents = new WeakMap<JobAnswer, Buffer>()

function statusEvent(answer: JobAnswer): Buffer {
  let event = statusEvents.get(answer)
  if (!event) {
    event = Buffer.from(`event: status\nid: ${answer.etag}\ndata: ${answer.body}\n\n`)
    statusEvents.set(answer, event)
  }
  return event
}

/** A problem that does not pass has an id, too, so that an EventSource that comes back with it can be told to stop. */
function problemEvent(
  jobId: JobId,
  read: Extract<JobRead, { problem: object }>,
  { requestId }: CallOrigin,
): Buffer {
  const { problem } = read
  const id = isFinal(read) ? `id: ${tagOf(read)}\n` : ''
  const data = JSON.stringify({ ...problem.toProblem(requestId), jobId })
  return Buffer.from(`event: problem\n${id}data: ${data}\n\n`)
}
