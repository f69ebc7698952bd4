/**
 * A signal that aborts with another one, or after a time with a `TimeoutError`. To be disposed of when what it limits is
 * over. `AbortSignal.any` and `AbortSignal.timeout` do the same and need no end, by weak references and finalizers: an
 * eighth of the time of a miss went into collecting them.
 */
export class TimeLimit implements Disposable {
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #parent: AbortSignal
  readonly #follow = () => this.#abort.abort(this.#parent.reason)

  /**
   * @param parent whose reason is handed on
   * @param ms milliseconds
   */
  constructor(parent: AbortSignal, ms: number) {
    this.#parent = parent
    this.#timer = setTimeout(() => {
      this.#abort.abort(new DOMException('The time is over', 'TimeoutError'))
    }, ms).unref()
    if (parent.aborted) this.#follow()
    else parent.addEventListener('abort', this.#follow, { once: true })
  }

  /** Aborts as said above. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#parent.removeEventListener('abort', this.#follow)
  }
}
