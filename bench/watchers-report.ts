import type { LoadReport } from './watchers-load.ts'

/** One line of the report. */
export const line = (text: string) => process.stdout.write(`${text}\n`)

/** One line that says whether something holds; the exit code says whether all does. */
export function check(holds: boolean, text: string): void {
  line(`${holds ? 'ok    ' : 'MISSED'}  ${text}`)
  if (!holds) process.exitCode = 1
}

/** Bytes, for people. */
export const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
/** Bytes, for people. */
export const kib = (bytes: number) => `${(bytes / 2 ** 10).toFixed(1)} KiB`
/** The value below which this share of the values lies. */
export const quantile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN
/** Times in milliseconds, for people. */
export const spread = (values: number[]) =>
  `median ${quantile(values, 0.5).toFixed(1)}, p99 ${quantile(values, 0.99).toFixed(1)}, ` +
  `max ${quantile(values, 1).toFixed(1)} ms`

/** Nobody got anything but what was due. */
export function checkAnswers({ statuses, faults, watching }: LoadReport): void {
  for (const fault of faults.slice(0, 10)) line(`        ${fault.slice(0, 90)}`)
  const isGood = [...statuses.keys()].every((status) => status === 200 || status === 304)
  const counts = [...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')
  check(
    isGood && faults.length === 0 && watching === 0,
    `answers ${counts}; ${faults.length} faults, ${watching} still watching`,
  )
}
