import type { After } from '../after.ts'
import type { CallContext } from '../cdf/cdf-client.ts'
import type { JobId } from '../cdf/job-id.ts'
import { ProxyError } from '../problem.ts'
import type { JobQualityReader } from './job-quality-reader.ts'
import type { JobRead } from './job-read.ts'
import { isFinal, tagOf } from './job-read.ts'

/** Somebody who wants to know what becomes of a job. */
export interface Watcher {
  /** What is known of the job, told at once if anything is, and then each other state that it takes. */
  told(jobId: JobId, read: JobRead): void
  /** No more will be told of the job: its state, as it was read last, is final, or this process drains. */
  ended(jobId: JobId, last: JobRead): void
}

/** What a call to CDF takes from the request that caused it, if one did. */
export type CallOrigin = Omit<CallContext, 'signal'>

/** What {@link JobWatches} work with. */
export interface JobWatchesOptions {
  reader: Pick<JobQualityReader, 'read' | 'onRead'>
  /** For the calls that no request causes. */
  newOrigin: () => CallOrigin
  /** Monotonic clock, milliseconds; the same as the reader's. */
  now: () => number
  after: After
  /** 0 ≤ random() < 1, so that jobs that were asked for together do not stay together. */
  random: () => number
}

/** Between two reads of a watched job: a tenth of the time that it has been known here, within these bounds. */
const INTERVAL_MS = { least: 1_000, greatest: 5_000 }
const SHARE_OF_AGE = 0.1
/** Up to this share is added at random. */
const JITTER = 0.1

/** One job that is watched. */
interface Watch {
  readonly jobId: JobId
  readonly watchers: Set<Watcher>
  /** Ends the watch's own part in a read. */
  readonly left: AbortController
  readonly sinceMs: number
  latest: JobRead | undefined
  cancelNext: () => void
}

/**
 * One loop for each job that anybody watches, whatever their number: it reads through the reader, and so through the
 * same cache and the same read in flight as everybody, and stops with the last watcher. What others read meanwhile is
 * told too, and counts as the loop's own read.
 */
export class JobWatches {
  readonly #options: JobWatchesOptions
  readonly #watches = new Map<JobId, Watch>()
  #isEnding = false

  constructor(options: JobWatchesOptions) {
    this.#options = options
    options.reader.onRead = (jobId, read) => {
      const watch = this.#watches.get(jobId)
      if (watch) this.#tell(watch, read)
    }
  }

  /**
   * Begins to tell a watcher of a job: the first state as soon as it is known, which may be before this returns.
   * @param origin for the first read, if nobody watches the job yet
   * @param known what the watcher has just read, in place of that read
   */
  watch(jobId: JobId, watcher: Watcher, origin: CallOrigin, known?: JobRead): void {
    const running = this.#watches.get(jobId)
    if (running) {
      running.watchers.add(watcher)
      if (running.latest) watcher.told(jobId, running.latest)
      return
    }
    const watch: Watch = {
      jobId,
      watchers: new Set([watcher]),
      left: new AbortController(),
      sinceMs: this.#options.now(),
      latest: undefined,
      cancelNext: () => {},
    }
    this.#watches.set(jobId, watch)
    if (known) this.#tell(watch, known)
    else this.#read(watch, origin)
  }

  /** Jobs that are watched, and their watchers, each once for each of its jobs. */
  get sizes(): { jobs: number; watchers: number } {
    let watchers = 0
    for (const watch of this.#watches.values()) watchers += watch.watchers.size
    return { jobs: this.#watches.size, watchers }
  }

  /** What was read last of a job that is watched. */
  latest(jobId: JobId): JobRead | undefined {
    return this.#watches.get(jobId)?.latest
  }

  /** Tells a watcher no more of a job. */
  unwatch(jobId: JobId, watcher: Watcher): void {
    const watch = this.#watches.get(jobId)
    if (watch?.watchers.delete(watcher) && watch.watchers.size === 0) this.#stop(watch)
  }

  /** Ends all watches, for a process that drains: nobody waits for news any more, only for a first state. */
  end(): void {
    this.#isEnding = true
    for (const watch of this.#watches.values()) {
      if (watch.latest) this.#dismiss(watch, watch.latest)
    }
  }

  #read(watch: Watch, origin: CallOrigin): void {
    const tell = (read: JobRead) => this.#tell(watch, read)
    const read = this.#options.reader.read(watch.jobId, () => ({
      ...origin,
      signal: watch.left.signal,
    }))
    if (!(read instanceof Promise)) {
      tell(read)
      return
    }
    read.then(tell, (cause: unknown) => {
      if (watch.left.signal.aborted) return
      const problem = new ProxyError('internal-error', { cause })
      tell({ problem, outcome: 'miss', collapsed: false })
    })
  }

  /** All watchers in one go; those who were told the same before are not told again. */
  #tell(watch: Watch, read: JobRead): void {
    if (this.#watches.get(watch.jobId) !== watch) return
    const isNews = watch.latest === undefined || tagOf(read) !== tagOf(watch.latest)
    watch.latest = read
    if (isNews) for (const watcher of watch.watchers) watcher.told(watch.jobId, read)
    if (isFinal(read) || this.#isEnding) this.#dismiss(watch, read)
    else if (watch.watchers.size > 0) this.#readAgain(watch, read)
  }

  #readAgain(watch: Watch, read: JobRead): void {
    const { now, after, random, newOrigin } = this.#options
    const { answer, problem } = read
    const nowMs = now()
    const ageMs = nowMs - Math.min(watch.sinceMs, answer?.firstSeenMs ?? watch.sinceMs)
    const greatestMs = INTERVAL_MS.greatest / (1 + JITTER)
    const baseMs = Math.min(Math.max(SHARE_OF_AGE * ageMs, INTERVAL_MS.least), greatestMs)
    const intervalMs = baseMs * (1 + JITTER * random())
    // Before, the cache would answer; or somebody has said when to come back.
    const notBeforeMs = answer ? answer.freshForMs : 1000 * (problem.secondsToWait ?? 0)
    const sinceReadMs = answer && read.outcome === 'hit' ? nowMs - answer.readAtMs : 0
    watch.cancelNext()
    watch.cancelNext = after(Math.max(0, Math.max(intervalMs, notBeforeMs) - sinceReadMs), () =>
      this.#read(watch, newOrigin()),
    )
  }

  #dismiss(watch: Watch, last: JobRead): void {
    this.#stop(watch)
    for (const watcher of watch.watchers) watcher.ended(watch.jobId, last)
  }

  #stop(watch: Watch): void {
    if (this.#watches.get(watch.jobId) === watch) this.#watches.delete(watch.jobId)
    watch.cancelNext()
    watch.left.abort()
  }
}
