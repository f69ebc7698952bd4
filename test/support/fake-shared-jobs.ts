import type { JobId } from '../../src/cdf/job-id.ts'
import type { JobLease, SharedJob, SharedJobs } from '../../src/jobs/shared-jobs.ts'
import type { FakeClock } from './fake-clock.ts'

/** How long a lease holds if its holder dies; milliseconds. */
export const FAKE_LEASE_MS = 1_000

/** What replicas share, in memory, with the expiry times of a fake clock. */
export class FakeSharedJobs implements SharedJobs {
  /** Whether messages are lost. */
  losesMessages = false
  readonly results = new Map<
    JobId,
    Omit<SharedJob, 'ageMs'> & { readAtMs: number; ttlMs: number }
  >()
  readonly #clock: FakeClock
  readonly #leases = new Map<JobId, { lease: JobLease; untilMs: number }>()
  readonly #listeners = new Set<(jobId: JobId | undefined) => void>()

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  get: SharedJobs['get'] = async (jobId) => this.#stored(jobId)

  acquireLease: SharedJobs['acquireLease'] = async (jobId) => {
    const nowMs = this.#clock.now()
    const held = this.#leases.get(jobId)
    if (held && held.untilMs > nowMs) return { heldForMs: held.untilMs - nowMs }
    const lease: JobLease = {
      release: async (update) => {
        if (this.#leases.get(jobId)?.lease !== lease) return
        this.#leases.delete(jobId)
        if (update === 'delete') this.results.delete(jobId)
        else if (update) this.results.set(jobId, { ...update, readAtMs: this.#clock.now() })
        this.notifyRelease(jobId)
      },
    }
    this.#leases.set(jobId, { lease, untilMs: nowMs + FAKE_LEASE_MS })
    return { lease, stored: this.#stored(jobId) }
  }

  onRelease: SharedJobs['onRelease'] = (listener) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  notifyRelease(jobId: JobId): void {
    if (!this.losesMessages) this.#notify(jobId)
  }

  /** Number of listeners. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** Reports that releases can have been missed. */
  notifyLoss(): void {
    this.#notify(undefined)
  }

  #stored(jobId: JobId): SharedJob | undefined {
    const stored = this.results.get(jobId)
    if (!stored) return undefined
    const { readAtMs, ttlMs, ...result } = stored
    const ageMs = this.#clock.now() - readAtMs
    return ageMs < ttlMs ? { ...result, ageMs } : undefined
  }

  #notify(jobId: JobId | undefined): void {
    for (const listener of [...this.#listeners]) listener(jobId)
  }
}
