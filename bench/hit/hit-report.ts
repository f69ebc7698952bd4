import type { Load } from '../support/load.ts'
import { check, line } from '../support/report.ts'
import { median, quantile } from '../support/statistics.ts'

/** One peer under load for one turn. */
export interface Turn extends Load {
  peer: string
  /** CPU time per request, µs. */
  cpuMicros: number
}

/** The most CPU time per request of the service, as a multiple of the peer's. */
const GOALS: Record<string, number> = { baseline: 1.1, nginx: 1.15 }

/** Prints the table and the goals of one case. */
export function reportCase(name: string, rounds: Turn[][]): void {
  const turnsOf = (peer: string) =>
    rounds.flatMap((round) => round.filter((turn) => turn.peer === peer))
  const service = turnsOf('service')
  const peers = [...new Set(rounds.flat().map(({ peer }) => peer))].sort(byCost)
  function byCost(a: string, b: string): number {
    const cost = (peer: string) => median(turnsOf(peer).map(({ cpuMicros }) => cpuMicros))
    return cost(a) - cost(b)
  }

  line(`\n| ${name} | CPU per request, µs | service ÷ peer | requests/s | p99, ms |`)
  line('|---|---:|---:|---:|---:|')
  const goals: (() => void)[] = []
  for (const peer of peers) {
    const turns = turnsOf(peer)
    // Per round, because the speed of the machine changes between rounds.
    const ratios = turns.map(({ cpuMicros }, round) => (service[round]?.cpuMicros ?? 0) / cpuMicros)
    const ratio = median(ratios)
    const quartiles = [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(2)).join('–')
    const of = (value: (turn: Turn) => number) => median(turns.map(value))
    line(
      `| ${peer} | ${of(({ cpuMicros }) => cpuMicros).toFixed(1)} | ` +
        `${peer === 'service' ? '1' : `${ratio.toFixed(2)} (${quartiles})`} | ` +
        `${Math.round(of(({ requestsPerSecond }) => requestsPerSecond)).toLocaleString('en')} | ` +
        `${of(({ p99Ms }) => p99Ms).toFixed(1)} |`,
    )
    const goal = GOALS[peer]
    if (goal === undefined) continue
    goals.push(() => check(ratio <= goal, `${name}: ${ratio.toFixed(2)} × ${peer}, goal ${goal}`))
  }
  line('')
  for (const report of goals) report()
}
