import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { onCore } from './processes.ts'

/** A request of the load. */
export interface LoadRequest {
  path: string
  /** Sent as `If-None-Match`. */
  etag?: string
}

/** Options of {@link runLoad}. */
export interface LoadOptions {
  origin: string
  /** The file with the requests; see {@link writeRequests}. */
  requestsFile: string
  headers: Record<string, string>
  connections: number
  /** A whole number. */
  seconds: number
}

/** The result of one run. */
export interface Load {
  requests: number
  requestsPerSecond: number
  p99Ms: number
}

/** Writes requests in the format that `requests.lua` reads. */
export async function writeRequests(file: string, requests: LoadRequest[]): Promise<void> {
  await writeFile(file, requests.map(({ path, etag = '' }) => `${path}\t${etag}\n`).join(''))
}

/** Sends the requests in order, again and again, with wrk on core 1. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { origin, requestsFile, headers, connections, seconds } = options
  if (new URL(origin).hostname !== '127.0.0.1') throw new Error('load is for loopback only')
  const [program = '', ...args] = [
    ...onCore(1),
    ...['wrk', '-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '--latency'],
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...['-s', new URL('requests.lua', import.meta.url).pathname, origin, '--', requestsFile],
  ]
  const { stdout } = await promisify(execFile)(program, args)
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${origin}\n${stdout}`)
  const [, p99, unit = ''] = stdout.match(/99% +([\d.]+)(us|ms|s)/) ?? []
  return {
    requests: Number(stdout.match(/(\d+) requests in/)?.[1]),
    requestsPerSecond: Number(stdout.match(/Requests\/sec: +([\d.]+)/)?.[1]),
    p99Ms: Number(p99) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN),
  }
}
