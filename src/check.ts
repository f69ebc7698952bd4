/**
 * `npm run check`: a second entry of the image. It checks the configuration, and with it everything that the service
 * needs from others. Exit code: 0, 1 if something is wrong, or 78 if the configuration is invalid.
 */
import { parseArgs } from 'node:util'
import { parseJobId } from './cdf/job-id.ts'
import { runChecks } from './check/run-checks.ts'
import { loadConfigOrExit } from './config/config.ts'

const USAGE =
  'Usage: npm run check [-- --job ID]\n  --job ID  read this job, a UUID or a decimal integer; default: a random id\n'

const jobId = jobIdOrExit()
const config = loadConfigOrExit(process.env)
const succeeded = await runChecks(config, jobId, (line) => process.stdout.write(`${line}\n`))
// Not `process.exitCode`: a client of Redis that is still connecting keeps the process alive.
process.exit(succeeded ? 0 : 1)

function jobIdOrExit() {
  try {
    const { job } = parseArgs({ options: { job: { type: 'string' } } }).values
    const jobId = job === undefined ? undefined : parseJobId(job)
    if (job === undefined || jobId !== undefined) return jobId
    process.stderr.write(`This is not a job id.\n${USAGE}`)
  } catch {
    process.stderr.write(USAGE)
  }
  process.exit(1)
}
