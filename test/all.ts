import { globSync } from 'node:fs'
import t from 'tap'

/**
 * Runs each test file with plain Node. Otherwise tap preloads modules for mocks and coverage into each process, also
 * into those that tests start, which costs a fifth of the CPU time of the suite.
 */
const files = globSync('test/**/*.test.ts', { exclude: ['**/node_modules'] }).sort()
// Many tests wait for timers and other processes more than they compute.
t.jobs = 4
for (const file of files)
  t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, file], { timeout: 180_000 }, file)
