import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startSimulator } from '../simulator/start-simulator.ts'
import type { Contestant, ContestantName } from './contestants.ts'
import { Stage } from './contestants.ts'
import type { Asked, Load } from './load.ts'
import { load } from './load.ts'
import type { CaseResult } from './performance-report.ts'
import { report } from './performance-report.ts'
import { jobIds } from './servers/ready-job.ts'

/**
 * The service as in production beside a bare server, the ordinary way to build it, and the usual proxies, in turns
 * within one run. `--rounds`, `--seconds`; `--keep` writes `docs/performance.json` and the table of
 * `docs/performance.md`.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    seconds: { type: 'string', default: '1' },
    case: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

const pathOf = (jobId: string) => `/jobs/${jobId}/quality`
const one = [pathOf(jobIds[0] ?? '')]
const all = jobIds.map(pathOf)
const batches = Array.from({ length: 20 }, (_, batch) => {
  const ofBatch = jobIds.slice(50 * batch, 50 * batch + 50)
  return `/jobs/quality?${ofBatch.map((jobId) => `jobId=${jobId}`).join('&')}`
})

/** What is measured, and who can do it. */
interface Case {
  name: string
  connections: number
  paths: string[] | 'new'
  /** Whether the caller has what it asks for. */
  hasTags?: boolean
  who: ContestantName[]
}
const CACHES: ContestantName[] = [
  'node:http',
  'node:http, Buffer',
  'service',
  'ordinary Fastify',
  'nginx',
  'Varnish',
]
const PROXIES: ContestantName[] = ['service', '@fastify/http-proxy', 'ordinary Fastify', 'nginx']
const CASES: Case[] = [
  { name: 'hit, 1,000 jobs', connections: 64, paths: all, who: CACHES },
  { name: 'hit, 1 job', connections: 64, paths: one, who: CACHES },
  { name: '304, 1,000 jobs', connections: 64, paths: all, hasTags: true, who: CACHES },
  {
    name: 'batch of 50',
    connections: 64,
    paths: batches,
    who: ['node:http', 'service', 'ordinary Fastify'],
  },
  { name: 'miss, 64 callers', connections: 64, paths: 'new', who: PROXIES },
  // What a proxy adds is told by what a call takes without one.
  { name: 'miss, 1 caller', connections: 1, paths: 'new', who: [...PROXIES, 'direct'] },
]

const folder = await mkdtemp(join(tmpdir(), 'cdf-job-quality-bench-'))
// For workers of nginx and Varnish, which give up the rights of root.
await chmod(folder, 0o755)
const simulator = await startSimulator()
const stage = new Stage(folder, simulator)
try {
  const upstreamUrl = await stage.upstream()
  const contestants = await stage.contestants(upstreamUrl)
  const token = await simulator.identityProvider.signCallerToken()
  const headers = { authorization: `Bearer ${token}` }
  const results: CaseResult[] = []
  for (const measured of CASES) {
    if (values.case !== undefined && !measured.name.includes(values.case)) continue
    const part = contestants.filter(({ name }) => measured.who.includes(name))
    const asked = new Map<Contestant, Asked>()
    for (const contestant of part) {
      asked.set(contestant, await prepare(contestant, measured, headers))
    }
    const loads = new Map<string, Load[]>(part.map(({ name }) => [name, []]))
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      for (const contestant of part) {
        const { name, origin } = contestant
        const { connections } = measured
        const what = asked.get(contestant) ?? []
        const run = await load({ origin, asked: what, headers, connections, seconds, folder })
        if (round > 0) loads.get(name)?.push(run)
      }
    }
    results.push({ name: measured.name, connections: measured.connections, loads })
    process.stderr.write(`${measured.name} done\n`)
  }
  process.stdout.write(await report(results, { rounds, seconds, keep: values.keep }))
} finally {
  stage.end()
  await simulator.close()
  await rm(folder, { recursive: true, force: true })
}

/** Asks once for everything, so that it is in the cache, and looks whether it is what is to be measured. */
async function prepare(
  { name, origin }: Contestant,
  { paths, hasTags = false }: Case,
  headers: Record<string, string>,
): Promise<Asked> {
  if (paths === 'new') return 'new'
  const asked: { path: string; etag?: string }[] = []
  for (const path of paths) {
    const first = await fetch(origin + path, { headers })
    const etag = first.headers.get('etag')
    if (first.status !== 200 || (await first.text()).length < 400) {
      throw new Error(`${name}: ${path} is ${first.status}`)
    }
    if (!hasTags) {
      asked.push({ path })
      continue
    }
    if (etag === null) throw new Error(`${name} has no entity tag`)
    const again = await fetch(origin + path, { headers: { ...headers, 'if-none-match': etag } })
    if (again.status !== 304) throw new Error(`${name}: ${again.status} instead of 304`)
    asked.push({ path, etag })
  }
  return asked
}
