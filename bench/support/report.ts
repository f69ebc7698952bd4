import { quantile } from './statistics.ts'

/** Prints one line of the report. */
export const line = (text: string) => process.stdout.write(`${text}\n`)

/** Prints whether a limit holds. The process exits with 1 if one does not. */
export function check(holds: boolean, text: string): void {
  line(`${holds ? 'ok    ' : 'MISSED'}  ${text}`)
  if (!holds) process.exitCode = 1
}

/** Bytes in MiB. */
export const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
/** Bytes in KiB. */
export const kib = (bytes: number) => `${(bytes / 2 ** 10).toFixed(1)} KiB`
/** Distribution of times in milliseconds. */
export const spread = (values: number[]) =>
  `median ${quantile(values, 0.5).toFixed(1)}, p99 ${quantile(values, 0.99).toFixed(1)}, ` +
  `max ${quantile(values, 1).toFixed(1)} ms`
