/**
 * The process entry. It handles signals before it loads the service, which takes most of the time of a start: process 1
 * of a container ignores a signal that it does not handle.
 */
import { enableCompileCache } from 'node:module'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** There is nothing to drain yet. */
function stopEarly(signal: NodeJS.Signals): void {
  process.stderr.write(`Stopped by ${signal} before the service was ready to listen.\n`)
  process.exit(0)
}

for (const signal of SIGNALS) process.on(signal, stopEarly)
// The next start takes a third less time. Node's default folder is not safe: other users of the machine can write to it.
enableCompileCache(`${import.meta.dirname}/../node_modules/.cache/compile`)
const { runService } = await import('./run-service.ts')
await runService(process.env, () => {
  for (const signal of SIGNALS) process.off(signal, stopEarly)
})
