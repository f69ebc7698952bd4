import type { CdfSimulator } from '../../simulator/upstream/cdf-simulator.ts'

/** Milliseconds since the epoch, finer than Date.now and equal in all processes of this machine. */
export const preciseNow = () => performance.timeOrigin + performance.now()

/** A request of the service to CDF. */
export interface CdfRead {
  jobId: string
  startMs: number
  /** When the kernel had the response, or the connection was closed; Infinity before. */
  sentMs: number
  status: number
  /** The body of the response. */
  body: string
}

/** Records all requests to CDF from now on. */
export function recordReads(cdf: CdfSimulator): CdfRead[] {
  const reads: CdfRead[] = []
  const handle = cdf.handle.bind(cdf)
  cdf.handle = (request, response) => {
    const read: CdfRead = {
      jobId: request.url?.split('/').at(-1) ?? '',
      startMs: preciseNow(),
      sentMs: Number.POSITIVE_INFINITY,
      status: 0,
      body: '',
    }
    reads.push(read)
    const send = response.end.bind(response) as (body?: string) => typeof response
    response.end = ((body?: string) => {
      read.status = response.statusCode
      read.body = body ?? ''
      return send(body)
    }) as typeof response.end
    const end = () => {
      read.sentMs = Math.min(read.sentMs, preciseNow())
    }
    response.once('finish', end).once('close', end)
    return handle(request, response)
  }
  return reads
}

/** Times between the reads of a job, and the number of reads that began before the one before had ended. */
export function gapsOf(reads: readonly CdfRead[]): { gapsMs: number[]; overlaps: number } {
  const gapsMs: number[] = []
  let overlaps = 0
  for (const ofJob of Map.groupBy(reads, ({ jobId }) => jobId).values()) {
    for (const [index, { startMs }] of ofJob.entries()) {
      const before = ofJob[index - 1]
      if (!before) continue
      gapsMs.push(startMs - before.startMs)
      if (startMs < before.sentMs) overlaps += 1
    }
  }
  return { gapsMs, overlaps }
}

/** The greatest number of reads that were in flight at the same time. */
export function greatestConcurrency(reads: readonly CdfRead[]): number {
  const changes = reads.flatMap(({ startMs, sentMs }) => [
    { atMs: startMs, by: 1 },
    { atMs: sentMs, by: -1 },
  ])
  let running = 0
  let greatest = 0
  for (const { by } of changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by)) {
    running += by
    greatest = Math.max(greatest, running)
  }
  return greatest
}
