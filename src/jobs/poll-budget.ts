import type { Clock } from '../async/clock.ts'
import { FairQueue } from '../cdf/resilience/fair-queue.ts'
import type { WaitingCallers } from '../cdf/resilience/waiting-callers.ts'

/** A polled job, as the budget sees it. */
export interface BudgetedPoll {
  /** The callers that watch the job. */
  readonly callers: Iterable<string>
  /** The interval between two reads if the budget were unlimited. */
  readonly baseIntervalMs: number
  /** The part of the job's reads that this replica makes, 0 to 1; other replicas make the rest. */
  readonly ownReadRatio: number
}

interface PollBudgetOptions extends Pick<Clock, 'now' | 'schedule'> {
  /** Greatest number of reads per second, all jobs together. It can change. */
  pollsPerSecond: () => number
  /** All polled jobs. */
  polls: () => Iterable<BudgetedPoll>
}

/** A replica that made none of the latest reads can make the next one. */
const MIN_OWN_READS = 0.05

/** The stretch factors are computed at most this often. */
const FACTORS_TTL_MS = 1_000

/**
 * Keeps the polling of all jobs together below a rate. If the jobs demand more, their intervals are stretched: each caller
 * gets an equal share of the rate (max-min fairness), and within it, jobs with a short base interval keep their
 * priority. Reads that are due at the same time are spaced evenly, and their callers take turns.
 */
export class PollBudget {
  readonly #options: PollBudgetOptions
  #factors = new Map<string, number>()
  #factorsUntilMs = Number.NEGATIVE_INFINITY
  readonly #queue = new FairQueue<() => void>()
  #nextSlotMs = Number.NEGATIVE_INFINITY
  #cancelSlot = () => {}

  constructor(options: PollBudgetOptions) {
    this.#options = options
  }

  /** The stretched interval of a job. A job with several callers has the shortest of their intervals. */
  intervalMs({ callers, baseIntervalMs }: BudgetedPoll): number {
    this.#updateFactors()
    let factor = Number.POSITIVE_INFINITY
    for (const caller of callers) factor = Math.min(factor, this.#factors.get(caller) ?? 1)
    return Number.isFinite(factor) ? baseIntervalMs * factor : baseIntervalMs
  }

  /**
   * Runs a read at the next free slot.
   * @param callers who watch the job; the slots go to callers in turn
   * @returns a function that cancels the read
   */
  enqueue(callers: WaitingCallers, read: () => void): () => void {
    const wasEmpty = this.#queue.size === 0
    const run = () => {
      unfollow()
      read()
    }
    const unfollow = callers.follow((caller) => this.#queue.add(run, caller))
    if (wasEmpty) {
      this.#nextSlotMs = Math.max(this.#nextSlotMs, this.#options.now())
      this.#scheduleSlot()
    }
    return () => {
      unfollow()
      this.#queue.delete(run)
      if (this.#queue.size === 0) this.#cancelSlot()
    }
  }

  #scheduleSlot(): void {
    const { now, schedule, pollsPerSecond } = this.#options
    this.#cancelSlot()
    if (this.#queue.size === 0) return
    this.#cancelSlot = schedule(Math.max(0, this.#nextSlotMs - now()), () => {
      const nowMs = now()
      // A timer can be late by several slots.
      while (this.#queue.size > 0 && this.#nextSlotMs <= nowMs) {
        this.#nextSlotMs += 1000 / pollsPerSecond()
        this.#queue.take()?.()
      }
      this.#scheduleSlot()
    })
  }

  #updateFactors(): void {
    const { now, polls, pollsPerSecond } = this.#options
    if (now() < this.#factorsUntilMs) return
    this.#factorsUntilMs = now() + FACTORS_TTL_MS
    const demands = new Map<string, number>()
    for (const { callers, baseIntervalMs, ownReadRatio } of polls()) {
      const own = [...callers]
      // Callers of the same job share its cost.
      const demand = (1000 / baseIntervalMs / own.length) * Math.max(ownReadRatio, MIN_OWN_READS)
      for (const caller of own) demands.set(caller, (demands.get(caller) ?? 0) + demand)
    }
    this.#factors = stretchFactors(demands, pollsPerSecond())
  }
}

/**
 * Divides a rate among callers by max-min fairness: who demands less than an equal share gets it all, and the others
 * share the rest.
 * @returns by how much each caller's intervals are stretched, 1 or more
 */
function stretchFactors(demands: ReadonlyMap<string, number>, rate: number): Map<string, number> {
  const factors = new Map<string, number>()
  let remainingRate = rate
  let remainingCallers = demands.size
  for (const [caller, demand] of [...demands].sort(([, a], [, b]) => a - b)) {
    const share = Math.min(demand, remainingRate / remainingCallers)
    factors.set(caller, demand / share)
    remainingRate -= share
    remainingCallers -= 1
  }
  return factors
}
