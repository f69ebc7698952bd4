import { execFile, execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Options } from 'autocannon'
import autocannon from 'autocannon'

/** What is asked for in turns; `new` = each time a job that nobody has asked for before. */
export type Asked = readonly { path: string; etag?: string }[] | 'new'

/** One run. */
export interface LoadOptions {
  origin: string
  asked: Asked
  headers: Record<string, string>
  connections: number
  seconds: number
  /** A folder for files that are needed. */
  folder: string
}

/** What a run has measured. */
export interface Load {
  requestsPerSecond: number
  /** Latency, milliseconds. */
  medianMs: number
  p99Ms: number
}

/** Whether a program is there. */
export function has(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const hasWrk = has('wrk')
/** What makes the load: wrk, which takes a tenth of what a server in Node does; else autocannon, which takes more. */
export const LOADER = hasWrk ? 'wrk' : 'autocannon'

/** With two cores, the server has one and the load, like all that stands behind the server, the other. */
export const onCore = (core: 0 | 1): string[] =>
  has('taskset') ? ['taskset', '-c', `${core}`] : []

/** Runs load against a server on the loopback interface. */
export async function load(options: LoadOptions): Promise<Load> {
  if (new URL(options.origin).hostname !== '127.0.0.1') throw new Error('load is for loopback only')
  return hasWrk ? loadWithWrk(options) : loadWithAutocannon(options)
}

const newPrefix = () =>
  randomInt(2 ** 32)
    .toString(16)
    .padStart(8, '0')

async function loadWithWrk(options: LoadOptions): Promise<Load> {
  const { origin, asked, headers, connections, seconds, folder } = options
  const file = join(folder, 'requests')
  if (asked !== 'new') {
    await writeFile(file, asked.map(({ path, etag = '' }) => `${path}\t${etag}\n`).join(''))
  }
  const [program = '', ...args] = [
    ...onCore(1),
    ...['wrk', '-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '--latency'],
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...['-s', new URL('requests.lua', import.meta.url).pathname, origin],
    ...['--', ...(asked === 'new' ? ['new', newPrefix()] : [file])],
  ]
  const { stdout } = await promisify(execFile)(program, args)
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${origin}\n${stdout}`)
  const percentile = (percent: number) => {
    const [, value, unit] = stdout.match(new RegExp(`${percent}% +([\\d.]+)(us|ms|s)`)) ?? []
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit ?? ''] ?? Number.NaN)
  }
  return {
    requestsPerSecond: Number(stdout.match(/Requests\/sec: +([\d.]+)/)?.[1]),
    medianMs: percentile(50),
    p99Ms: percentile(99),
  }
}

async function loadWithAutocannon(options: LoadOptions): Promise<Load> {
  const { origin, asked, headers, connections, seconds } = options
  let number = 0
  const prefix = newPrefix()
  const requests: NonNullable<Options['requests']> =
    asked === 'new'
      ? [
          {
            setupRequest: (request) => {
              number += 1
              const digits = number.toString(16).padStart(12, '0')
              return { ...request, path: `/jobs/${prefix}-0000-4000-8000-${digits}/quality` }
            },
          },
        ]
      : asked.map(({ path, etag }) => ({
          path,
          headers: { ...headers, ...(etag !== undefined && { 'if-none-match': etag }) },
        }))
  const result = await autocannon({
    url: origin,
    headers,
    requests,
    connections,
    duration: seconds,
  })
  if (result.errors > 0 || result['4xx'] + result['5xx'] > 0) throw new Error(`${origin}: errors`)
  return {
    requestsPerSecond: result.requests.average,
    // It counts in whole milliseconds; one connection does one thing after the other.
    medianMs: connections === 1 ? 1000 / result.requests.average : result.latency.p50,
    p99Ms: result.latency.p99,
  }
}
