import { parseCdfJob } from '../../src/cdf/cdf-job.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { toCachedResponse } from '../../src/jobs/cached-response.ts'
import { JobCache } from '../../src/jobs/job-cache.ts'
import { normalizeJob } from '../../src/jobs/normalize-job.ts'
import { completedJob } from '../servers/completed-job.ts'
import { check, mib } from '../support/report.ts'

/**
 * `npm run bench:memory`: memory of a cached job. Varies between 600 and 900 bytes with the way V8 stores concatenated and
 * sliced strings, which depends on what its compilers do.
 */
/** They fit in the byte limit of the cache. */
const JOBS = 50_000
const LIMIT_BYTES = 1_280

const { gc } = globalThis
if (!gc) throw new Error('run with --expose-gc: npm run bench:memory')

/** Heap and Buffers in use. */
function usedBytes(): number {
  for (let times = 0; times < 5; times += 1) gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Fills the cache as the service does: each job comes from its own JSON text. */
function fill(cache: JobCache, jobs: number): void {
  for (let number = 0; number < jobs; number += 1) {
    const jobId = parseJobId(`6f1c2a34-8b0e-4d57-9f2c-${number.toString(16).padStart(12, '0')}`)
    if (!jobId) throw new Error('invalid id')
    const source = JSON.stringify(completedJob(jobId))
    const job = parseCdfJob(source.replace('pump-to-area-direct', `pump-to-area-${number}`))
    if (!job) throw new Error('invalid job')
    cache.set(jobId, toCachedResponse(normalizeJob(jobId, job).quality, 0, 0, 1000))
  }
}

const options = {
  maxEntries: JOBS,
  ttlMs: 86_400_000,
  statusFreshMs: 1_000,
  staleIfErrorMs: 30_000,
  notFoundTtlMs: 5_000,
  now: () => 1,
}
// Warms up, so that compiled code is not counted.
fill(new JobCache(options), 1_000)
const cache = new JobCache(options)
const emptyBytes = usedBytes()
fill(cache, JOBS)
const bytes = usedBytes() - emptyBytes
// Also keeps the cache alive until here.
if (cache.sizes.done !== JOBS) throw new Error(`${cache.sizes.done} of ${JOBS} jobs cached`)

check(
  bytes <= JOBS * LIMIT_BYTES,
  `node ${process.version}: ${JOBS} completed jobs take ${mib(bytes)}, ` +
    `${(bytes / JOBS).toFixed(0)} bytes each (limit ${LIMIT_BYTES})`,
)
