import { setTimeout as sleep } from 'node:timers/promises'
import { lasting } from '../simulator/simulated-job.ts'
import type { LoadReport } from './watchers-load.ts'
import { check, checkAnswers, line, mib } from './watchers-report.ts'
import type { Sample } from './watchers-stage.ts'
import { jobIds, someJobs, startStage } from './watchers-stage.ts'

const WAVES = 20
const STREAMS_PER_WAVE = 5_000
/** Heap, allocator and pools reach their size in these; growth after them is a leak. */
const FIRST_WAVES = 5
/** For the service to see that everybody has left. */
const AFTER_WAVE_MS = 500
/** A watched job is asked for more often than that. */
const SILENCE_MS = 6_000

const LIMITS = {
  /** Of heap and Buffers, and of RSS, after the first waves. */
  growth: 0.05,
  /** Kept connections to CDF come and go; there are no more than this. */
  spareDescriptors: 8,
}

/** Nothing has grown since the first waves. */
function checkGrowth(samples: Sample[]): void {
  const first = samples.slice(0, FIRST_WAVES)
  // After the last wave and after the silence: V8 gives memory back when it has nothing to do.
  const last = samples.slice(-2)
  const compare = (
    name: string,
    count: (sample: Sample) => number,
    allowed: (n: number) => number,
  ) => {
    const before = Math.max(...first.map(count))
    const after = Math.max(...last.map(count))
    const figures = [before, after].map((count) => count.toFixed(0)).join(', in the end ')
    check(after <= allowed(before), `${name}: at most after the first waves ${figures}`)
  }
  const grown = (bytes: number) => bytes * (1 + LIMITS.growth)
  const spare = (count: number) => count + LIMITS.spareDescriptors
  compare('MiB of heap and Buffers', ({ used }) => used / 2 ** 20, grown)
  compare('MiB of RSS', ({ rss }) => rss / 2 ** 20, grown)
  compare('descriptors', ({ descriptors }) => descriptors, spare)
  compare('active resources', ({ resources }) => resources, spare)
}

/** 100,000 streams that come and go. */
export async function comeAndGo(): Promise<void> {
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
  let report: LoadReport | undefined
  for (let wave = 0; wave < WAVES; wave += 1) {
    report = await stage.order({
      kind: 'wave',
      target: stage.target,
      jobIds: someJobs(0, STREAMS_PER_WAVE),
      // Whoever leaves with FIN keeps the port for a minute.
      from: `127.0.0.${2 + wave}`,
      byReset: wave % 2 === 1,
    })
    await sleep(AFTER_WAVE_MS)
    await sample(`wave ${wave + 1}`)
  }
  const readsBefore = stage.simulator.cdf.requests.length
  await sleep(SILENCE_MS)
  const reads = stage.simulator.cdf.requests.length - readsBefore
  await sample('in the end')
  await stage.end()

  if (report) checkAnswers(report)
  check(reads === 0, `${reads} reads of CDF in ${SILENCE_MS / 1000} s after the last one has left`)
  checkGrowth(samples)
}
