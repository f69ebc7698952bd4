import { createHook } from 'node:async_hooks'

let held: object | undefined

/**
 * Keeps one object of `process.nextTick` alive, for ever. If a major garbage collection falls on a moment without any,
 * V8 forgets their hidden class, and each later tick is slower for the life of the process. To be called as the process
 * begins.
 */
export function holdTick(): void {
  if (held) return
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      if (type === 'TickObject') held ??= resource
    },
  }).enable()
  process.nextTick(() => hook.disable())
}
