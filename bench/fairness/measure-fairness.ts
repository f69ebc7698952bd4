import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { check, line } from '../support/report.ts'
import { measureStalls, measureUnreadResponses } from './floods.ts'
import { measureMemoryPerStream, measureReadsOfYoungJobs } from './streams.ts'
import { measureWaitingTimes } from './waiting-times.ts'

/**
 * `npm run bench:fairness`: what one caller or connection costs the others. Takes seven minutes per checkout, and exits with
 * 1 if a goal is missed. `--baseline` measures another checkout in turns, and `--only` selects measurements.
 *
 *     npm run bench:fairness -- --baseline ../before --only stalls,unread
 */
const MEASUREMENTS = {
  waiting: measureWaitingTimes,
  stalls: measureStalls,
  unread: measureUnreadResponses,
  memory: measureMemoryPerStream,
  reads: measureReadsOfYoungJobs,
}

const { values } = parseArgs({
  options: {
    baseline: { type: 'string' },
    only: { type: 'string', default: Object.keys(MEASUREMENTS).join() },
  },
})
const selected = new Set(values.only.split(','))
const folder = resolve(import.meta.dirname, '../..')

line(`node ${process.version}; times are median (95th percentile)\n`)
line('| measurement | goal | baseline | this checkout |')
line('| --- | --- | --- | --- |')
const missed: string[] = []
for (const [name, measure] of Object.entries(MEASUREMENTS)) {
  if (!selected.has(name)) continue
  const baseline = values.baseline === undefined ? [] : await measure(resolve(values.baseline))
  const current = await measure(folder)
  for (const [index, { what, goal = '', result, holds = true }] of current.entries()) {
    line(`| ${what} | ${goal} | ${baseline[index]?.result ?? ''} | ${result} |`)
    if (!holds) missed.push(`${what}: ${result}`)
  }
}
line('')
for (const what of missed) check(false, what)
if (missed.length === 0) check(true, 'all goals')
process.exit()
