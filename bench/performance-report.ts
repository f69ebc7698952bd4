import { readFile, writeFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import type { Load } from './load.ts'
import { LOADER } from './load.ts'

/** What was measured in one case, by contestant. */
export interface CaseResult {
  name: string
  connections: number
  loads: Map<string, Load[]>
}

/** How it was measured. */
export interface ReportOptions {
  rounds: number
  seconds: number
  /** Whether to keep it in `docs/`. */
  keep: boolean
}

/** The middle one; of an even number, the greater of both. */
export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** The contestant that everything is compared with. */
const REFERENCE = 'node:http'

const whole = (value: number) => Math.round(value).toLocaleString('en')

/** Tables for people; with `keep`, also for `docs/`. */
export async function report(cases: CaseResult[], options: ReportOptions): Promise<string> {
  const { rounds, seconds, keep } = options
  const machine = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    kernel: `${process.platform} ${release()}`,
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    loader: LOADER,
    rounds,
    seconds,
  }
  const text = [
    `${machine.date}, Node ${machine.node.slice(1)}, ${machine.cpu}, ${machine.kernel}, ${LOADER}; ${rounds} rounds of ${seconds} s in turns, medians (least–greatest).`,
    ...cases.map((each) => (each.connections === 1 ? latencyTable(each) : rateTable(each))),
  ].join('\n\n')
  if (keep) {
    const results = cases.map(({ name, loads }) => ({ name, loads: Object.fromEntries(loads) }))
    const json = `${JSON.stringify({ machine, results }, undefined, 2)}\n`
    await writeFile(new URL('../docs/performance.json', import.meta.url), json)
    const page = new URL('../docs/performance.md', import.meta.url)
    const kept = /(<!-- measured -->\n)[\s\S]*(<!-- \/measured -->)/
    const before = await readFile(page, 'utf8')
    await writeFile(
      page,
      before.replace(kept, (_all, a, b) => `${a}\n${text}\n\n${b}`),
    )
  }
  return `${text}\n`
}

function rateTable({ name, loads }: CaseResult): string {
  const rates = [...loads].map(([who, runs]) => {
    const perSecond = runs.map(({ requestsPerSecond }) => requestsPerSecond)
    return {
      who,
      perSecond,
      median: median(perSecond),
      p99: median(runs.map(({ p99Ms }) => p99Ms)),
    }
  })
  const first = rates.find(({ who }) => who === REFERENCE) ?? rates[0]
  const rows = rates.map(
    (rate) =>
      `| ${rate.who} | ${whole(rate.median)} (${whole(Math.min(...rate.perSecond))}–${whole(Math.max(...rate.perSecond))}) | ${(rate.median / (first?.median ?? Number.NaN)).toFixed(2)} | ${rate.p99.toFixed(1)} |`,
  )
  return [
    `| ${name} | requests/s | of ${first?.who} | p99, ms |`,
    '|---|---:|---:|---:|',
    ...rows,
  ].join('\n')
}

function latencyTable({ name, loads }: CaseResult): string {
  const medianOf = (runs: Load[] = []) => median(runs.map(({ medianMs }) => medianMs))
  const direct = medianOf(loads.get('direct'))
  const rows = [...loads].map(([who, runs]) => {
    const each = runs.map(({ medianMs }) => 1000 * medianMs)
    const range = `${whole(Math.min(...each))}–${whole(Math.max(...each))}`
    return `| ${who} | ${whole(median(each))} (${range}) | ${whole(1000 * (medianOf(runs) - direct))} |`
  })
  return [`| ${name} | median, µs | added, µs |`, '|---|---:|---:|', ...rows].join('\n')
}
