import { setTimeout as sleep } from 'node:timers/promises'
import { kib } from '../support/report.ts'
import { openStreams, type Row, startCheckout } from './measured-checkout.ts'

/** Streams of this many jobs each; all streams follow the same jobs. */
const JOBS_PER_STREAM = [1, 10, 100]
const STREAMS = 3_000
/** Opened before the first sample, so that compiled code and pools are not counted. */
const WARM_UP_STREAMS = 50
const SETTLE_MS = 10_000
/** With 100 jobs per stream, within the watched jobs of a caller. */
const STREAMS_PER_CALLER = 10

const YOUNG_JOBS = 7
const VIEWERS = [1, 10]
/** CDF's own front end reads each job every 5 s in each tab. */
const FRONT_END_READS_PER_JOB = 12
const MINUTE_MS = 60_000

/** Memory of a stream, by its number of jobs. */
export async function measureMemoryPerStream(folder: string): Promise<Row[]> {
  const rows: Row[] = []
  for (const jobs of JOBS_PER_STREAM) {
    const checkout = await startCheckout(folder, 0)
    const jobIds = Array.from({ length: jobs }, () => checkout.addJob('Running'))
    const open = (count: number) =>
      openStreams(
        checkout,
        Array.from({ length: count }, (_, number) => ({
          caller: `viewer ${Math.floor(number / STREAMS_PER_CALLER)}`,
          jobIds,
        })),
      )
    const close = await open(WARM_UP_STREAMS)
    await sleep(1_000)
    await close()
    const before = await checkout.memory()
    await open(STREAMS)
    await sleep(SETTLE_MS)
    const after = await checkout.memory()
    await checkout.end()
    const each = (key: 'used' | 'rss') => kib((after[key] - before[key]) / STREAMS)
    rows.push({
      what: `memory of a stream of ${jobs} ${jobs === 1 ? 'job' : 'jobs'}`,
      result: `${each('used')} heap, ${each('rss')} RSS`,
    })
  }
  return rows
}

/** Reads of CDF for viewers of the same new jobs, in the first minute. */
export async function measureReadsOfYoungJobs(folder: string): Promise<Row[]> {
  const measure = async (viewers: number): Promise<Row> => {
    const checkout = await startCheckout(folder, 0)
    const jobIds = Array.from({ length: YOUNG_JOBS }, () => checkout.addJob('Running'))
    const { requests } = checkout.simulator.cdf
    const readsBefore = requests.length
    await openStreams(
      checkout,
      Array.from({ length: viewers }, (_, number) => ({ caller: `viewer ${number}`, jobIds })),
    )
    await sleep(MINUTE_MS)
    const reads = requests.length - readsBefore
    await checkout.end()
    const pollingReads = viewers * YOUNG_JOBS * FRONT_END_READS_PER_JOB
    return {
      what: `reads of CDF in the first minute of ${YOUNG_JOBS} jobs, ${viewers === 1 ? '1 viewer' : `${viewers} viewers`}`,
      result: `${reads}; polling every 5 s: ${pollingReads}`,
    }
  }
  return Promise.all(VIEWERS.map(measure))
}
