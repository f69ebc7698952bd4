import type { Clock } from '../async/clock.ts'
import type { JobId } from '../cdf/job-id.ts'
import { BACKGROUND } from '../cdf/resilience/fair-queue.ts'
import { WaitingCallers } from '../cdf/resilience/waiting-callers.ts'
import { ProblemError } from '../problems/problem.ts'
import type { JobQualityReader, ReadContext } from './job-quality-reader.ts'
import { PollBudget } from './poll-budget.ts'
import { isFinal, type ReadResult, stateTag } from './read-result.ts'

/** Receives the states of a job. */
export interface JobSubscriber {
  /** Called with the latest state, if there is one, and then with each new state. */
  onUpdate(jobId: JobId, result: ReadResult): void
  /** Called once: the last state is final, or the process is draining. */
  onEnd(jobId: JobId, last: ReadResult): void
}

/** The ids of a read in the log and in CDF. */
export type RequestIds = Pick<ReadContext, 'requestId' | 'traceparent'>

/** The request of a subscriber. */
export type SubscriptionContext = RequestIds & Pick<ReadContext, 'callerKey'>

interface JobPollerOptions extends Pick<Clock, 'now' | 'schedule' | 'random'> {
  reader: Pick<JobQualityReader, 'read' | 'subscribe'>
  /** Makes the ids for reads that belong to no request. */
  newRequestIds: () => RequestIds
  /** Greatest number of background reads per second; the share of this replica. */
  pollsPerSecond: () => number
}

/** The interval between two reads is a tenth of the time since the last change, within these limits. */
const INTERVAL_MS = { min: 1_000, max: 5_000 }
const INTERVAL_PER_AGE = 0.1
/** Up to this share is added, so that jobs that were subscribed to together are not read together for ever. */
const JITTER = 0.1

/** A loop takes the result of another replica if it is younger than this part of its interval. */
const MAX_SHARED_AGE_RATIO = 0.9
/** Weight of the latest read in {@link Poll.ownReadRatio}. */
const SHARE_WEIGHT = 0.3

/** The polling loop of one job. */
interface Poll {
  readonly jobId: JobId
  /** With the keys of their callers. */
  readonly subscribers: Map<JobSubscriber, string>
  /** Aborts the poll's own reads. */
  readonly controller: AbortController
  /** When the job was first read or last changed. */
  changedAtMs: number
  baseIntervalMs: number
  /** The part of the job's latest reads that this replica made, 0 to 1. */
  ownReadRatio: number
  latest: ReadResult | undefined
  /** The callers of the next read. */
  nextCallers: WaitingCallers
  /** When the next read is due. */
  nextAtMs: number
  cancelNext: () => void
}

/**
 * Polls each job that has subscribers: one loop per job, whatever their number. Reads go through the reader, so that
 * they use its cache and join reads in flight. A read for another caller counts as the loop's own. All loops together
 * stay within a {@link PollBudget}.
 */
export class JobPoller {
  readonly #options: JobPollerOptions
  readonly #polls = new Map<JobId, Poll>()
  readonly #budget: PollBudget
  #isDraining = false

  constructor(options: JobPollerOptions) {
    this.#options = options
    const { pollsPerSecond, now, schedule } = options
    const polls = () => this.#budgetedPolls()
    this.#budget = new PollBudget({ pollsPerSecond, now, schedule, polls })
    options.reader.subscribe({
      onRead: (jobId, result) => {
        const poll = this.#polls.get(jobId)
        if (!poll) return
        const isOwn = result.outcome !== 'hit'
        poll.ownReadRatio += SHARE_WEIGHT * (Number(isOwn) - poll.ownReadRatio)
        this.#update(poll, result)
      },
      isWatching: (jobId) => this.#polls.has(jobId),
    })
  }

  /**
   * Subscribes to a job. The first `onUpdate` may come before this method returns.
   * @param context for the first read, if there is no result yet
   * @param first a result that the subscriber has just read; it replaces the first read
   */
  subscribe(
    jobId: JobId,
    subscriber: JobSubscriber,
    context: SubscriptionContext,
    first?: ReadResult,
  ): void {
    const running = this.#polls.get(jobId)
    if (running) {
      running.subscribers.set(subscriber, context.callerKey)
      if (running.latest) {
        subscriber.onUpdate(jobId, running.latest)
        this.#joinNext(running, running.latest, context.callerKey)
      } else {
        // Joins the first read, which then also waits in this caller's line of the queue.
        this.#read(running, context)
      }
      return
    }
    const poll: Poll = {
      jobId,
      subscribers: new Map([[subscriber, context.callerKey]]),
      controller: new AbortController(),
      changedAtMs: this.#options.now(),
      baseIntervalMs: INTERVAL_MS.min,
      ownReadRatio: 1,
      latest: undefined,
      nextCallers: new WaitingCallers(),
      nextAtMs: 0,
      cancelNext: () => {},
    }
    this.#polls.set(jobId, poll)
    if (first) this.#update(poll, first)
    else this.#read(poll, context)
  }

  /** Ends a subscription. The loop stops with its last subscriber. */
  unsubscribe(jobId: JobId, subscriber: JobSubscriber): void {
    const poll = this.#polls.get(jobId)
    if (poll?.subscribers.delete(subscriber) && poll.subscribers.size === 0) this.#stop(poll)
  }

  /** Number of polled jobs and of subscriptions. */
  get sizes(): { jobs: number; watchers: number } {
    let watchers = 0
    for (const poll of this.#polls.values()) watchers += poll.subscribers.size
    return { jobs: this.#polls.size, watchers }
  }

  /** The latest result of a polled job. */
  latest(jobId: JobId): ReadResult | undefined {
    return this.#polls.get(jobId)?.latest
  }

  /** Ends each subscription as soon as it has one state, because the process is draining. */
  drain(): void {
    this.#isDraining = true
    for (const poll of this.#polls.values()) {
      if (poll.latest) this.#complete(poll, poll.latest)
    }
  }

  /** @param maxSharedAgeMs see {@link ReadContext} */
  #read(poll: Poll, subscription: SubscriptionContext, maxSharedAgeMs?: number): void {
    const { jobId, controller } = poll
    const { requestId, traceparent, callerKey } = subscription
    const { signal } = controller
    const context = { requestId, traceparent, callerKey, signal, maxSharedAgeMs }
    const result = this.#options.reader.read(jobId, context)
    if (!(result instanceof Promise)) {
      this.#update(poll, result)
      return
    }
    // A result comes through the reader's subscription; only a bug rejects.
    result.catch((cause: unknown) => {
      if (signal.aborted) return
      const problem = new ProblemError('internal-error', { cause })
      this.#update(poll, { problem, outcome: 'miss', collapsed: false })
    })
  }

  #update(poll: Poll, result: ReadResult): void {
    const isFirst = poll.latest === undefined
    const hasChanged = !poll.latest || stateTag(result) !== stateTag(poll.latest)
    poll.latest = result
    if (hasChanged) {
      const nowMs = this.#options.now()
      poll.changedAtMs = isFirst ? (result.response?.firstReadAtMs ?? nowMs) : nowMs
      for (const subscriber of poll.subscribers.keys()) subscriber.onUpdate(poll.jobId, result)
    }
    if (isFinal(result) || this.#isDraining) this.#complete(poll, result)
    else if (poll.subscribers.size > 0) this.#scheduleNext(poll, result)
  }

  #scheduleNext(poll: Poll, result: ReadResult): void {
    const { now, schedule, newRequestIds } = this.#options
    const delayMs = this.#nextDelayMs(poll, result)
    poll.cancelNext()
    poll.nextCallers = new WaitingCallers()
    for (const caller of poll.subscribers.values()) poll.nextCallers.join(caller)
    poll.nextAtMs = now() + delayMs
    const maxSharedAgeMs = MAX_SHARED_AGE_RATIO * this.#budget.intervalMs(toBudgetedPoll(poll))
    poll.cancelNext = schedule(delayMs, () => {
      poll.cancelNext = this.#budget.enqueue(poll.nextCallers, () =>
        this.#read(poll, { ...newRequestIds(), callerKey: BACKGROUND }, maxSharedAgeMs),
      )
    })
  }

  /** Adds a caller to the next read, which comes earlier if this caller has a shorter interval than the others. */
  #joinNext(poll: Poll, latest: ReadResult, callerKey: string): void {
    poll.nextCallers.join(callerKey)
    // The subscriber may have left during its update.
    if (poll.subscribers.size === 0) return
    const nowMs = this.#options.now()
    if (nowMs + this.#nextDelayMs(poll, latest) < poll.nextAtMs) this.#scheduleNext(poll, latest)
  }

  /** The time until the next read, for the present age and callers of the job. */
  #nextDelayMs(poll: Poll, { response, problem, outcome }: ReadResult): number {
    const { now, random } = this.#options
    const nowMs = now()
    const maxMs = INTERVAL_MS.max / (1 + JITTER)
    const agedMs = INTERVAL_PER_AGE * (nowMs - poll.changedAtMs)
    poll.baseIntervalMs = Math.min(Math.max(agedMs, INTERVAL_MS.min), maxMs)
    const intervalMs = this.#budget.intervalMs(toBudgetedPoll(poll)) * (1 + JITTER * random())
    // An earlier read would be a hit, or would ignore Retry-After.
    const notBeforeMs = response ? response.freshForMs : 1000 * (problem.retryAfterSeconds ?? 0)
    const sinceReadMs = response && outcome === 'hit' ? nowMs - response.readAtMs : 0
    return Math.max(0, Math.max(intervalMs, notBeforeMs) - sinceReadMs)
  }

  *#budgetedPolls() {
    for (const poll of this.#polls.values()) yield toBudgetedPoll(poll)
  }

  #complete(poll: Poll, last: ReadResult): void {
    this.#stop(poll)
    for (const subscriber of poll.subscribers.keys()) subscriber.onEnd(poll.jobId, last)
  }

  #stop(poll: Poll): void {
    if (this.#polls.get(poll.jobId) === poll) this.#polls.delete(poll.jobId)
    poll.cancelNext()
    poll.controller.abort()
  }
}

function toBudgetedPoll({ subscribers, baseIntervalMs, ownReadRatio }: Poll) {
  return { callers: new Set(subscribers.values()), baseIntervalMs, ownReadRatio }
}
