import { randomUUID } from 'node:crypto'
import { type Cut, type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts'
import type { StreamEvent, StreamReader } from './readers.ts'
import type { Stage } from './stage.ts'

/** What one client of one stream did. */
export interface Run {
  reader: string
  connections: number
  cuts: number
  events: number
  /** How the run differs from what it should be. */
  violations: string[]
}

const JOBS = 3
const MAX_CUTS = 5
/** About the size of the headers and of three events. */
const MAX_CUT_AT = 3_000
const MAX_STALL_MS = 50
/** A client that has not stopped by then is stuck. The jobs are done after 1.2 s at most. */
const MAX_RUN_MS = 60_000

/**
 * Follows the same jobs with several clients of each reader, each through a proxy of its own that cuts its connections
 * at random. One job is unknown to CDF, the others change twice.
 */
export async function runBatch(
  { port, addJob }: Stage,
  readers: readonly StreamReader[],
  runsPerReader: number,
  random: () => number,
): Promise<Run[]> {
  const jobIds = Array.from({ length: JOBS }, () => randomUUID())
  const startJobs = jobIds.slice(1).map((jobId) => addJob(jobId, random))
  const query = jobIds.map((jobId) => `jobId=${jobId}`).join('&')
  const followers = await Promise.all(
    readers.map(async (reader) => {
      const { acceptsPartialHeads: keepsHeads, usesIdEarly: keepsEventEnds } = reader
      const options = { port, keepsHeads, keepsEventEnds }
      const plans = Array.from({ length: runsPerReader }, () => randomCuts(random))
      const starting = plans.map((cuts) => startCuttingProxy({ ...options, cuts }))
      return { reader, proxies: await Promise.all(starting) }
    }),
  )
  const proxies = followers.flatMap((follower) => follower.proxies)
  const running = followers.map(async ({ reader, proxies }) => {
    const urls = proxies.map(({ url }) => `${url}/jobs/quality/events?${query}`)
    const events = await Promise.race([reader.followAll(urls), timeLimit()])
    return proxies.map((proxy, index) => reportRun(reader, proxy, jobIds, events?.[index]))
  })
  // Every client is connected before the jobs change.
  await Promise.race([Promise.all(proxies.map(({ started }) => started)), timeLimit()])
  for (const startJob of startJobs) startJob()
  const runs = await Promise.all(running)
  for (const proxy of proxies) proxy.close()
  return runs.flat()
}

/** @param events absent if the client has not stopped */
function reportRun(
  { name, hasNoDuplicates = false }: StreamReader,
  proxy: CuttingProxy,
  jobIds: readonly string[],
  events: readonly StreamEvent[] | undefined,
): Run {
  const violations = [
    ...(events ? violationsOf(events, jobIds, hasNoDuplicates) : ['the client does not stop']),
    ...violationsOfConnections(proxy),
  ]
  const [connections, cuts] = [proxy.connections(), proxy.cuts()]
  return { reader: name, connections, cuts, events: events?.length ?? 0, violations }
}

function randomCuts(random: () => number): Cut[] {
  return Array.from({ length: Math.floor(random() * (MAX_CUTS + 1)) }, () => ({
    afterBytes: Math.floor(random() * MAX_CUT_AT),
    stallMs: Math.floor(random() * MAX_STALL_MS),
    byReset: random() < 0.5,
  }))
}

function timeLimit(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), MAX_RUN_MS).unref())
}

/** After its cuts, a client needs one more connection, and one for the 204 that ends an EventSource. */
function violationsOfConnections({ connections, cuts }: CuttingProxy): string[] {
  const isBounded = connections() <= cuts() + 2
  return isBounded ? [] : [`${connections()} connections with ${cuts()} cuts`]
}

const STATES = ['Queued', 'Running', 'Completed']

/** The states of a job never go back, and the last one arrives. */
function violationsOf(
  events: readonly StreamEvent[],
  [unknown = '', ...known]: readonly string[],
  hasNoDuplicates: boolean,
): string[] {
  const violations: string[] = []
  const states = new Map<string, string>()
  for (const { event, id, data } of events) {
    if (data === '' || id === '') violations.push(`event ${event} without data or id`)
    const { jobId, status, code } = JSON.parse(data || '{}')
    const state = event === 'problem' ? code : status
    const last = states.get(jobId)
    if (STATES.indexOf(state) < STATES.indexOf(last ?? ''))
      violations.push(`${last}, then ${state}`)
    if (hasNoDuplicates && state === last) violations.push(`${state} twice`)
    states.set(jobId, state)
  }
  for (const jobId of known) {
    const last = states.get(jobId)
    if (last !== 'Completed') violations.push(`the last state is ${last}`)
  }
  if (states.get(unknown) !== 'job-not-found') violations.push('no problem for the unknown job')
  return violations
}
