import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import { callerToken } from './caller-token.ts'
import type { DemoPageJob } from './demo-page-jobs.ts'
import { newDemoPageJobs } from './demo-page-jobs.ts'
import type { Simulator } from './start-simulator.ts'

/** Options of {@link addDemoPage}. */
export interface DemoPageOptions {
  /** Of the service, which has to allow the page's origin. */
  serviceUrl: string
  /** The same clock as CDF's. */
  now?: () => number
}

/** Jobs that were added together, to be shown beside each other. */
interface JobSet {
  jobs: DemoPageJob[]
  addedMs: number
}

/** What a request is answered with. */
interface Answer {
  type: string
  body: string
  status?: number
}

/**
 * Serves at `/demo` of the simulator what a front end can build on the service. The page is read from its files each
 * time, so that whoever changes it needs only to reload it.
 */
export function addDemoPage(simulator: Simulator, options: DemoPageOptions): void {
  const { serviceUrl, now = Date.now } = options
  const { cdf } = simulator
  const sets = new Map<string, JobSet>()

  function addSet(): Answer {
    const id = randomUUID()
    const added = newDemoPageJobs()
    for (const { simulated } of added) if (simulated) cdf.addJob(simulated)
    sets.set(id, { jobs: added.map(({ shown }) => shown), addedMs: now() })
    return json({ id }, 201)
  }

  function showSet(id: string): Answer | undefined {
    const set = sets.get(id)
    if (!set) return undefined
    const { jobs, addedMs } = set
    const calls = jobs.reduce((sum, { jobId }) => sum + cdf.readsOf(jobId), 0)
    return json({ serviceUrl, jobs, ageMs: now() - addedMs, calls })
  }

  async function answer(route: string): Promise<Answer | undefined> {
    if (route === 'GET /demo/token') {
      return json({ token: await callerToken(simulator) })
    }
    if (route === 'POST /demo/sets') return addSet()
    const [, id] = route.match(/^GET \/demo\/sets\/([^/]+)$/) ?? []
    return id === undefined ? fileAt(route) : showSet(id)
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', simulator.url)
    const { type, body, status } = (await answer(`${request.method} ${pathname}`)) ?? NOT_FOUND
    response.writeHead(status ?? 200, {
      'content-type': type,
      'cache-control': 'no-store',
      'content-security-policy': contentSecurityPolicy(serviceUrl),
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    response.end(body)
  }

  simulator.handlers.set('/demo', { handle })
}

const NOT_FOUND: Answer = { type: 'text/plain', body: 'Not found\n', status: 404 }

function json(body: unknown, status = 200): Answer {
  return { type: 'application/json', body: JSON.stringify(body), status }
}

const page = (name: string) => new URL(`./demo-page/${name}`, import.meta.url)
const parser = (name: string) => new URL(name, import.meta.resolve('eventsource-parser/stream'))

/** What the browser gets, by its route. */
const FILES: ReadonlyMap<string, URL> = new Map([
  ['GET /demo', page('page.html')],
  ['GET /demo/page.css', page('page.css')],
  ['GET /demo/page.ts', page('page.ts')],
  ['GET /demo/job-column.ts', page('job-column.ts')],
  ['GET /demo/job-stream.ts', page('job-stream.ts')],
  ['GET /demo/polls.ts', page('polls.ts')],
  // What these import is relative, and so is found here too.
  ['GET /demo/eventsource-parser/stream.js', parser('stream.js')],
  ['GET /demo/eventsource-parser/parse.js', parser('parse.js')],
  ['GET /demo/eventsource-parser/errors.js', parser('errors.js')],
])

async function fileAt(route: string): Promise<Answer | undefined> {
  const url = FILES.get(route)
  if (!url) return undefined
  const text = await readFile(url, 'utf8')
  const extension = extname(url.pathname)
  if (extension === '.html') return { type: 'text/html; charset=utf-8', body: text }
  if (extension === '.css') return { type: 'text/css; charset=utf-8', body: text }
  const body = extension === '.ts' ? withoutTypes(text) : text
  return { type: 'text/javascript; charset=utf-8', body }
}

/** As Node does for its own modules, but without the warning that the function is experimental. */
function withoutTypes(source: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}

function contentSecurityPolicy(serviceUrl: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${new URL(serviceUrl).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
