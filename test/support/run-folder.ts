import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'

/**
 * Runs the test files of the folder in the first argument in this process, one after the other. Loading blocks the event
 * loop, and a service that runs meanwhile can take that for an overload, so the tests start when all files are loaded.
 */
const loaded = Promise.withResolvers<void>()
t.test('all files are loaded', () => loaded.promise)
for (const file of globSync(`${process.argv[2]}/**/*.test.ts`).sort()) await import(resolve(file))
loaded.resolve()
