/** A polled job, as the budget sees it. */
export interface BudgetedPoll {
  /** The callers that watch the job. */
  readonly callers: Iterable<string>
  /** The interval between two reads if the budget were unlimited. */
  readonly baseIntervalMs: number
}

/** Options of {@link PollBudget}. */
export interface PollBudgetOptions {
  /** Greatest number of reads per second, all jobs together. */
  pollsPerSecond: number
  /** All polled jobs. */
  polls: () => Iterable<BudgetedPoll>
  /** Monotonic clock, milliseconds. */
  now: () => number
}

/** The stretch factors are computed at most this often. */
const FACTORS_TTL_MS = 1_000

/**
 * Keeps the polling of all jobs together below a rate. If the jobs demand more, their intervals are stretched: each caller
 * gets an equal share of the rate (max-min fairness), and within it, jobs with a short base interval keep their
 * priority.
 */
export class PollBudget {
  readonly #options: PollBudgetOptions
  #factors = new Map<string, number>()
  #factorsUntilMs = Number.NEGATIVE_INFINITY
  #nextSlotMs = Number.NEGATIVE_INFINITY

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

  /** Reserves a slot for one read, and returns the time until then in milliseconds. */
  reserve(): number {
    const nowMs = this.#options.now()
    const slotMs = Math.max(nowMs, this.#nextSlotMs)
    this.#nextSlotMs = slotMs + 1000 / this.#options.pollsPerSecond
    return slotMs - nowMs
  }

  #updateFactors(): void {
    const { now, polls, pollsPerSecond } = this.#options
    if (now() < this.#factorsUntilMs) return
    this.#factorsUntilMs = now() + FACTORS_TTL_MS
    const demands = new Map<string, number>()
    for (const { callers, baseIntervalMs } of polls()) {
      const own = [...callers]
      // Callers of the same job share its cost.
      const demand = 1000 / baseIntervalMs / own.length
      for (const caller of own) demands.set(caller, (demands.get(caller) ?? 0) + demand)
    }
    this.#factors = stretchFactors(demands, pollsPerSecond)
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
