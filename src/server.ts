import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * Process entry: what must be so before anything else is loaded, and then {@link run}.
 *
 * Node keeps what it has compiled, types stripped, so that the next start is a third shorter; where it may not write, it
 * goes without. The image says the same by `NODE_COMPILE_CACHE`, which holds for this file, too: what strips types need not
 * be loaded at all then.
 */
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)))
const { run } = await import('./run.ts')
await run(process.env)
