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

/** The middle one; of an even number, the mean of both. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const { length } = sorted
  const [low = Number.NaN, high = low] = sorted.slice((length - 1) >> 1, (length >> 1) + 1)
  return (low + high) / 2
}

/** The contestant that everything is compared with. */
const REFERENCE = 'node:http'

const rangeOf = (values: readonly number[]) =>
  `${whole(Math.min(...values))}–${whole(Math.max(...values))}`
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
    `${machine.date}, Node ${machine.node.slice(1)}, ${machine.cpu}, ${machine.kernel}, ${LOADER}; ${rounds} rounds of ${seconds} s in turns, medians (least–greatest), and medians of the ratios of each round.`,
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
  const [reference = ''] = loads.has(REFERENCE) ? [REFERENCE] : loads.keys()
  const perSecond = (who: string) =>
    (loads.get(who) ?? []).map(({ requestsPerSecond }) => requestsPerSecond)
  const ofReference = perSecond(reference)
  const rows = [...loads].map(([who, runs]) => {
    const rates = perSecond(who)
    // Round by round, since the machine may be slower in one than in another.
    const ratio = median(rates.map((rate, round) => rate / (ofReference[round] ?? Number.NaN)))
    const p99 = median(runs.map(({ p99Ms }) => p99Ms))
    return `| ${who} | ${whole(median(rates))} (${rangeOf(rates)}) | ${ratio.toFixed(2)} | ${p99.toFixed(1)} |`
  })
  return [
    `| ${name} | requests/s | of ${reference} | p99, ms |`,
    '|---|---:|---:|---:|',
    ...rows,
  ].join('\n')
}

function latencyTable({ name, loads }: CaseResult): string {
  const micros = (who: string) => (loads.get(who) ?? []).map(({ medianMs }) => 1000 * medianMs)
  const direct = micros('direct')
  const rows = [...loads.keys()].map((who) => {
    const each = micros(who)
    const added = median(each.map((us, round) => us - (direct[round] ?? Number.NaN)))
    return `| ${who} | ${whole(median(each))} (${rangeOf(each)}) | ${whole(added)} |`
  })
  return [`| ${name} | median, µs | added, µs |`, '|---|---:|---:|', ...rows].join('\n')
}
