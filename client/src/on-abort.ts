/** The listeners of each signal. */
const listenersOf = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls a listener when a signal aborts. All listeners share one event listener, because Node 20 warns of a
 * memory leak if a signal has more than ten: one signal may end any number of requests.
 * @returns a function that removes the listener
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (!signal) return () => {}
  const listeners = listenersOf.get(signal) ?? new Set()
  if (!listenersOf.has(signal)) {
    listenersOf.set(signal, listeners)
    const abort = () => {
      for (const each of listeners) each()
    }
    signal.addEventListener('abort', abort, { once: true })
  }
  listeners.add(listener)
  return () => listeners.delete(listener)
}
