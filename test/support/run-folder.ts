import { globSync } from 'node:fs'
import { resolve } from 'node:path'

/** Runs the test files of the folder in the first argument in this process, one after the other. */
for (const file of globSync(`${process.argv[2]}/**/*.test.ts`).sort()) await import(resolve(file))
