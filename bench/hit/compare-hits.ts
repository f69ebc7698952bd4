import type { ChildProcess } from 'node:child_process'
import { truncateSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startSimulator } from '../../simulator/upstream/start-simulator.ts'
import { type LoadRequest, runLoad, writeRequests } from '../support/load.ts'
import { cpuSeconds, stop } from '../support/processes.ts'
import { reportCase, type Turn } from './hit-report.ts'
import { type Peer, paths, read, startPeers } from './peers.ts'

/**
 * `npm run bench`: CPU time per cached response of the service, beside peers that do the same work. The peers take turns
 * of `--seconds`, in `--rounds` rounds, with `--starts` processes each. `--baseline` adds another checkout of the service.
 * Needs Linux, taskset and wrk; nginx takes part if it is installed.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '1' },
    starts: { type: 'string', default: '3' },
    service: { type: 'string', default: resolve(import.meta.dirname, '../..') },
    baseline: { type: 'string' },
  },
})
const [rounds, seconds, starts] = [values.rounds, values.seconds, values.starts].map(Number) as [
  number,
  number,
  number,
]

const CONNECTIONS = 64
/** Rounds that are not counted, for compilers and caches. */
const WARM_UP_ROUNDS = 2
const CASES = [
  { name: 'hit', isConditional: false },
  { name: '304', isConditional: true },
]

const checkouts = {
  service: resolve(values.service),
  ...(values.baseline !== undefined && { baseline: resolve(values.baseline) }),
}
const turns = new Map<string, Turn[][]>(CASES.map(({ name }) => [name, []]))
for (let start = 1; start <= starts; start += 1) {
  process.stderr.write(`processes ${start} of ${starts}\n`)
  await measureOnce()
}
for (const { name } of CASES) reportCase(name, turns.get(name) ?? [])

/** Starts all peers, measures all cases, and stops the peers. */
async function measureOnce(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cdf-job-quality-bench-'))
  // The worker of nginx does not run as root.
  await chmod(folder, 0o755)
  const simulator = await startSimulator()
  const children: ChildProcess[] = []
  try {
    const peers = await startPeers({ simulator, folder, checkouts }, children)
    const token = await simulator.identityProvider.signCallerToken()
    const headers = { authorization: `Bearer ${token}` }
    for (const { name, isConditional } of CASES) {
      const files = new Map<Peer, string>()
      for (const peer of peers) {
        const file = join(folder, `${peer.name} ${name}`)
        await writeRequests(file, await requestsFor(peer, isConditional, headers))
        files.set(peer, file)
      }
      for (let round = 1 - WARM_UP_ROUNDS; round <= rounds; round += 1) {
        const inRound: Turn[] = []
        for (const peer of round % 2 === 0 ? peers : peers.toReversed()) {
          inRound.push(await takeTurn(peer, files.get(peer) ?? '', headers))
        }
        if (round > 0) turns.get(name)?.push(inRound)
      }
    }
  } finally {
    for (const child of children.toReversed()) await stop(child)
    await simulator.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function takeTurn(
  { name, origin, child, logFile }: Peer,
  requestsFile: string,
  headers: Record<string, string>,
): Promise<Turn> {
  const pid = child.pid ?? 0
  const before = cpuSeconds(pid)
  const load = await runLoad({ origin, requestsFile, headers, connections: CONNECTIONS, seconds })
  const cpuMicros = (1e6 * (cpuSeconds(pid) - before)) / load.requests
  if (logFile !== undefined) truncateSync(logFile)
  return { peer: name, cpuMicros, ...load }
}

/** Requests every path once, so that it is cached, and checks the responses. */
async function requestsFor(
  { name, origin }: Peer,
  isConditional: boolean,
  headers: Record<string, string>,
): Promise<LoadRequest[]> {
  const requests: LoadRequest[] = []
  for (const path of paths) {
    const { status, etag, body } = await read(origin + path, headers)
    if (status !== 200 || body.length < 400) throw new Error(`${name}: ${path} is ${status}`)
    requests.push(isConditional ? { path, etag } : { path })
    if (!isConditional) continue
    const again = await read(origin + path, { ...headers, 'if-none-match': etag })
    if (again.status !== 304) throw new Error(`${name}: ${path} is ${again.status}, not 304`)
  }
  return requests
}
