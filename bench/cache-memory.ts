import { readFileSync } from 'node:fs'
import { parseCdfJob } from '../src/cdf/cdf-job.ts'
import { parseJobId } from '../src/cdf/job-id.ts'
import { toJobAnswer } from '../src/jobs/job-answer.ts'
import { JobCache } from '../src/jobs/job-cache.ts'
import { normalizeJob } from '../src/jobs/normalize-job.ts'

/** What done jobs in the cache take, above an empty cache of the same size. Run with --expose-gc. */
const JOBS = 100_000
const LIMIT_BYTES = 1_280

const { gc } = globalThis
if (!gc) throw new Error('run with --expose-gc: npm run bench:memory')

/** Heap and Buffers in use. */
function usedBytes(): number {
  for (let times = 0; times < 5; times += 1) gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const source = readFileSync(
  new URL('../test/fixtures/cdf/estimate-completed.json', import.meta.url),
  'utf8',
)

/** The cache and what is in it, as the service fills it: each job parsed from a text of its own. */
function fill(cache: JobCache, first: number, end: number): void {
  for (let number = first; number < end; number += 1) {
    const jobId = parseJobId(`6f1c2a34-8b0e-4d57-9f2c-${number.toString(16).padStart(12, '0')}`)
    const job = parseCdfJob(source.replace('pump-to-area-direct', `pump-to-area-${number}`))
    if (!jobId || !job) throw new Error('no job')
    cache.keep(jobId, toJobAnswer(normalizeJob(jobId, job).quality, 0, 0, 1000))
  }
}

const options = {
  maxEntries: JOBS,
  ttlMs: 86_400_000,
  pendingTtlMs: 30_000,
  notFoundTtlMs: 5_000,
  now: () => 1,
}
// Once for nothing, so that code and shapes are there before anything is counted.
fill(new JobCache(options), 0, 1_000)
const cache = new JobCache(options)
const emptyBytes = usedBytes()
fill(cache, 0, JOBS)
const bytesEach = (usedBytes() - emptyBytes) / JOBS
if (!cache.latest(parseJobId('6f1c2a34-8b0e-4d57-9f2c-000000000000') ?? ('' as never)))
  throw new Error('not kept')

process.stdout.write(
  `node ${process.version}: ${JOBS} done jobs take ${((bytesEach * JOBS) / 1024 / 1024).toFixed(1)} MiB, ${bytesEach.toFixed(0)} bytes each (limit ${LIMIT_BYTES})\n`,
)
process.exitCode = bytesEach <= LIMIT_BYTES ? 0 : 1
