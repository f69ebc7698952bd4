import type { Scheduler } from '../async/clock.ts'

/** Answers that are waited for, each with a time limit, and all with a common end. */
export class PendingAnswers {
  readonly #now: () => number
  readonly #schedule: Scheduler
  readonly #rejects = new Set<(error: unknown) => void>()

  /** @param now monotonic clock of the scheduler, milliseconds */
  constructor(now: () => number, schedule: Scheduler) {
    this.#now = now
    this.#schedule = schedule
  }

  /**
   * Waits for an answer. If this process itself was busy, the wait takes as much longer, up to twice the limit, because the
   * answer can have arrived already.
   * @param limitMs milliseconds
   * @throws an Error with the code `ETIMEDOUT` after the limit; the error of {@link rejectAll}
   */
  within<T>(answer: Promise<T>, limitMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject)
      const dueMs = this.#now() + limitMs
      // Timers run before the input that has arrived during a pause, and immediates after it.
      const rejectAfterInput = () => setImmediate(() => reject(timeout()))
      let cancel = this.#schedule(limitMs, () => {
        const lateMs = Math.min(Math.max(0, this.#now() - dueMs), limitMs)
        cancel = this.#schedule(lateMs, rejectAfterInput)
      })
      answer.then(resolve, reject).then(() => {
        cancel()
        this.#rejects.delete(reject)
      })
    })
  }

  /** Ends all waits. */
  rejectAll(error: unknown): void {
    for (const reject of this.#rejects) reject(error)
    this.#rejects.clear()
  }
}

function timeout(): Error {
  return Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })
}
