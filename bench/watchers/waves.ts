import { setTimeout as sleep } from 'node:timers/promises'
import { lasting } from '../../simulator/upstream/simulated-job.ts'
import type { Sample } from '../support/measured-service.ts'
import { check, line, mib } from '../support/report.ts'
import type { CallersReport } from './callers.ts'
import { checkResponses, jobIds, someJobs, startStage } from './stage.ts'

const WAVES = 20
const STREAMS_PER_WAVE = 5_000
/** Heap, allocator and pools reach their final size in these waves. Later growth is a leak. */
const FIRST_WAVES = 5
/** Time for the service to notice the disconnects. */
const AFTER_WAVE_MS = 500
/** Longer than the interval at which the service reads a watched job. */
const SILENCE_MS = 6_000

const LIMITS = {
  /** Of heap and Buffers, and of RSS, after the first waves. */
  growth: 0.05,
  /** Kept-alive connections to CDF; their number varies up to this. */
  spareDescriptors: 8,
}

/** Checks that nothing has grown since the first waves. */
function checkGrowth(samples: Sample[]): void {
  const first = samples.slice(0, FIRST_WAVES)
  // After the last wave and after the silence, because V8 releases memory when idle.
  const last = samples.slice(-2)
  const compare = (
    name: string,
    count: (sample: Sample) => number,
    allowed: (before: number) => number,
  ) => {
    const before = Math.max(...first.map(count))
    const after = Math.max(...last.map(count))
    check(
      after <= allowed(before),
      `${name}: at most ${before.toFixed(0)} in the first waves, ${after.toFixed(0)} at the end`,
    )
  }
  const grown = (bytes: number) => bytes * (1 + LIMITS.growth)
  const spare = (count: number) => count + LIMITS.spareDescriptors
  compare('MiB of heap and Buffers', ({ used }) => used / 2 ** 20, grown)
  compare('MiB of RSS', ({ rss }) => rss / 2 ** 20, grown)
  compare('descriptors', ({ descriptors }) => descriptors, spare)
  compare('active resources', ({ resources }) => resources, spare)
}

/** 100,000 streams connect and disconnect. */
export async function connectAndDisconnect(): Promise<void> {
  line(`${WAVES} waves of ${STREAMS_PER_WAVE} streams`)
  const stage = await startStage(jobIds.map((jobId) => lasting(jobId, 'Running')))
  const samples: Sample[] = []
  const sample = async (name: string) => {
    const taken = await stage.sample()
    samples.push(taken)
    const { used, rss, descriptors, resources } = taken
    line(
      `${name}: heap and Buffers ${mib(used)}, RSS ${mib(rss)}, ` +
        `${descriptors} descriptors, ${resources} active resources`,
    )
  }
  let report: CallersReport | undefined
  for (let wave = 0; wave < WAVES; wave += 1) {
    report = await stage.order({
      kind: 'wave',
      target: stage.target,
      jobIds: someJobs(0, STREAMS_PER_WAVE),
      // A port closed with FIN stays in use for a minute, so each wave has its own address.
      from: `127.0.0.${2 + wave}`,
      byReset: wave % 2 === 1,
    })
    await sleep(AFTER_WAVE_MS)
    await sample(`wave ${wave + 1}`)
  }
  const readsBefore = stage.simulator.cdf.requests.length
  await sleep(SILENCE_MS)
  const reads = stage.simulator.cdf.requests.length - readsBefore
  await sample('at the end')
  await stage.end()

  if (report) checkResponses(report)
  check(
    reads === 0,
    `${reads} requests to CDF in ${SILENCE_MS / 1000} s after the last stream closed`,
  )
  checkGrowth(samples)
}
