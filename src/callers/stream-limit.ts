import { ProxyError } from '../problem.ts'

/** A stream may have ended by then; nobody knows. */
const RETRY_AFTER_SECONDS = 5

/** How many streams each caller holds, and that they are not too many. */
export class StreamLimit {
  readonly #maxStreams: number
  readonly #held = new Map<string, number>()
  #size = 0

  /** @param maxStreams for each caller; 0 = no limit */
  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams
  }

  /** All streams. */
  get size(): number {
    return this.#size
  }

  /**
   * Counts one more stream of a caller.
   * @param caller who it is; `undefined` where callers cannot be told apart, and may hold any number
   * @returns what to call once, when it has ended
   * @throws ProxyError `too-many-requests`
   */
  enter(caller: string | undefined): () => void {
    if (caller !== undefined) this.#countFor(caller)
    this.#size += 1
    return () => {
      this.#size -= 1
      if (caller !== undefined) this.#forget(caller)
    }
  }

  #countFor(caller: string): void {
    const held = this.#held.get(caller) ?? 0
    if (this.#maxStreams > 0 && held >= this.#maxStreams) {
      throw new ProxyError('too-many-requests', {
        detail: 'This caller holds too many streams at once; one stream can follow 100 jobs.',
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    this.#held.set(caller, held + 1)
  }

  #forget(caller: string): void {
    const left = (this.#held.get(caller) ?? 1) - 1
    if (left > 0) this.#held.set(caller, left)
    else this.#held.delete(caller)
  }
}
