import { globSync } from 'node:fs'
import t from 'tap'

/**
 * The tests of these folders share a process, because to load and to compile the service takes longer than most tests.
 * The other files start processes themselves, or change the process.
 */
const FOLDERS = [
  'auth',
  'cdf',
  'client',
  'fleet',
  'jobs',
  'limits',
  'openapi',
  'plugins',
  'robustness',
  'routes',
  'telemetry',
  'tools',
].map((name) => `test/${name}`)
const files = globSync('test/**/*.test.ts', { exclude: ['**/node_modules'] })
  .filter((file) => !FOLDERS.some((folder) => file.startsWith(`${folder}/`)))
  .sort()

/** Limit for a folder or a file. It names the test that does not end. */
const LIMIT_SECONDS = 180

// Many tests wait for timers and other processes more than they compute.
t.jobs = 4
for (const folder of FOLDERS) run(folder, 'test/support/run-folder.ts', folder)
for (const file of files) run(file, file)

/**
 * Runs plain Node. Otherwise tap preloads modules for mocks and coverage into each process, also into those that tests
 * start, which costs a fifth of the CPU time of the suite.
 */
function run(name: string, ...args: string[]): void {
  const command = ['-u', 'NODE_OPTIONS', `TAP_TIMEOUT=${LIMIT_SECONDS}`, process.execPath, ...args]
  t.spawn('env', command, { timeout: LIMIT_SECONDS * 1000 }, name)
}
