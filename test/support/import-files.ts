import { resolve } from 'node:path'

/** Runs the test files of the command line one after the other. */
for (const file of process.argv.slice(2)) await import(resolve(file))
