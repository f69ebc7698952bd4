import { createHash, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import { callerToken } from '../upstream/caller-token.ts'
import type { Simulator } from '../upstream/start-simulator.ts'
import { type DemoPageJob, newDemoPageJobs } from './page-jobs.ts'
import type { ReplicaState } from './replica-state.ts'

/** Options of {@link addDemoPage}. */
export interface DemoPageOptions {
  /** The URL of the service, whose CORS configuration must allow the origin of the simulator. */
  serviceUrl: string
  /** The replicas of the service, and their requests to CDF for these jobs. The page shows several of them only. */
  replicas?: (jobIds: readonly string[]) => ReplicaState[]
  /** The clock of the simulated CDF. */
  now?: () => number
}

/** The jobs that one instance of the page shows. */
interface JobSet {
  jobs: DemoPageJob[]
  addedMs: number
}

interface PageResponse {
  type: string
  body: string
  status?: number
  headers?: Record<string, string>
}

/**
 * Serves a page at `/demo` of the simulator that shows what a front end can build on the service. The files are read
 * for each request, so that a reload of the page shows changes to them.
 */
export function addDemoPage(simulator: Simulator, options: DemoPageOptions): void {
  const { serviceUrl, replicas = () => [], now = Date.now } = options
  const { cdf } = simulator
  const sets = new Map<string, JobSet>()

  function addSet(): PageResponse {
    const id = randomUUID()
    const added = newDemoPageJobs()
    for (const { simulated } of added) if (simulated) cdf.addJob(simulated)
    sets.set(id, { jobs: added.map(({ shown }) => shown), addedMs: now() })
    return json({ id }, 201)
  }

  function getSet(id: string): PageResponse | undefined {
    const set = sets.get(id)
    if (!set) return undefined
    const { jobs, addedMs } = set
    const requests = jobs.map(({ jobId }) => cdf.readsOf(jobId))
    return json({
      serviceUrl,
      jobs,
      ageMs: now() - addedMs,
      cdfRequests: requests.reduce((sum, count) => sum + count, 0),
      maxCdfRequests: Math.max(...requests),
      replicas: replicas(jobs.map(({ jobId }) => jobId)),
    })
  }

  async function respond(route: string): Promise<PageResponse | undefined> {
    if (route === 'GET /demo/token') {
      const token = await callerToken(simulator)
      // Front ends on other origins get their token here, too.
      return { ...json({ token }), headers: { 'access-control-allow-origin': '*' } }
    }
    if (route === 'POST /demo/sets') return addSet()
    const [, id] = route.match(/^GET \/demo\/sets\/([^/]+)$/) ?? []
    return id === undefined ? readPageFile(route) : getSet(id)
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', simulator.url)
    const { type, body, status, headers } =
      (await respond(`${request.method} ${pathname}`)) ?? NOT_FOUND
    response.writeHead(status ?? 200, {
      ...headers,
      'content-type': type,
      'cache-control': 'no-store',
      'content-security-policy': contentSecurityPolicy(serviceUrl, body),
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    response.end(body)
  }

  simulator.handlers.set('/demo', { handle })
}

const NOT_FOUND: PageResponse = { type: 'text/plain', body: 'Not found\n', status: 404 }

function json(body: unknown, status = 200): PageResponse {
  return { type: 'application/json', body: JSON.stringify(body), status }
}

const page = (name: string) => new URL(`./page/${name}`, import.meta.url)
const CLIENT = new URL('../../client/src/', import.meta.url)

/** The files of the page, by route. */
const FILES: ReadonlyMap<string, URL> = new Map([
  ['GET /demo', page('page.html')],
  ['GET /demo/page.css', page('page.css')],
  ['GET /demo/page.ts', page('page.ts')],
  ['GET /demo/job-row.ts', page('job-row.ts')],
  ['GET /demo/poll-count.ts', page('poll-count.ts')],
  ['GET /demo/replicas.ts', page('replicas.ts')],
  ['GET /demo/eventsource-parser.js', new URL(import.meta.resolve('eventsource-parser'))],
  ...readdirSync(CLIENT).map(
    (name) => [`GET /demo/client/${name}`, new URL(name, CLIENT)] as const,
  ),
])

async function readPageFile(route: string): Promise<PageResponse | undefined> {
  const url = FILES.get(route)
  if (!url) return undefined
  const text = await readFile(url, 'utf8')
  const extension = extname(url.pathname)
  if (extension === '.html') return { type: 'text/html; charset=utf-8', body: text }
  if (extension === '.css') return { type: 'text/css; charset=utf-8', body: text }
  const body = extension === '.ts' ? stripTypes(text) : text
  return { type: 'text/javascript; charset=utf-8', body }
}

/** Hides Node's warning that `stripTypeScriptTypes` is experimental. */
function stripTypes(source: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Allows the page's own files and its import map. */
function contentSecurityPolicy(serviceUrl: string, body: string): string {
  const [, importMap = ''] = body.match(/<script type="importmap">(.*?)<\/script>/s) ?? []
  const importMapHash = createHash('sha256').update(importMap).digest('base64')
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${importMapHash}'`,
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${new URL(serviceUrl).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
