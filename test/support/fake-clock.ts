import type { Scheduler } from '../../src/async/clock.ts'

/** A clock that moves only when a test advances it, and timers on that clock. */
export class FakeClock {
  nowMs = 1_000_000
  /** Timers that have not run yet. */
  readonly timers = new Set<{ dueMs: number; task: () => void }>()
  readonly now = () => this.nowMs
  readonly schedule: Scheduler = (delayMs, task) => {
    const timer = { dueMs: this.nowMs + delayMs, task }
    this.timers.add(timer)
    return () => this.timers.delete(timer)
  }
  /** Moves the clock forward and runs the timers that are due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a.dueMs - b.dueMs)
      if (!next || next.dueMs > endMs) break
      this.timers.delete(next)
      this.nowMs = Math.max(this.nowMs, next.dueMs)
      next.task()
    }
    this.nowMs = endMs
  }
}
