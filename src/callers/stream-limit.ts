import { ProxyError } from '../problem.ts'

/** A stream may have ended by then; nobody knows. */
const RETRY_AFTER_SECONDS = 5

/** How many streams each caller holds, and that they are not too many. */
export class StreamLimit {
  readonly #maxStreams: number
  readonly #held = new Map<string, number>()

  /** @param maxStreams for each caller; 0 = no limit */
  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams
  }

  /**
   * Counts one more stream of a caller.
   * @returns what to call once, when it has ended
   * @throws ProxyError `too-many-requests`
   */
  enter(caller: string): () => void {
    const held = this.#held.get(caller) ?? 0
    if (this.#maxStreams > 0 && held >= this.#maxStreams) {
      throw new ProxyError('too-many-requests', {
        detail: 'This caller holds too many streams at once; one stream can follow 100 jobs.',
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    this.#held.set(caller, held + 1)
    return () => {
      const left = (this.#held.get(caller) ?? 1) - 1
      if (left > 0) this.#held.set(caller, left)
      else this.#held.delete(caller)
    }
  }
}
