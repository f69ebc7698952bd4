import type { DemoPageJob } from '../demo-page-jobs.ts'
import { jobColumn, make, timeOfDay } from './job-column.ts'
import type { JobNews, StreamState } from './job-stream.ts'
import { followJobs } from './job-stream.ts'
import { pollsOf } from './polls.ts'

/** Jobs that were added together, as the simulator tells of them. */
interface JobSet {
  serviceUrl: string
  jobs: DemoPageJob[]
  /** How long ago they were added. */
  ageMs: number
  /** How often CDF was asked for any of them, for whichever tab. */
  calls: number
}

const COUNT_EVERY_MS = 1_000

const again = find('again', HTMLButtonElement)
const anotherTab = find('another-tab', HTMLAnchorElement)
const connection = find('connection', HTMLElement)
const rows = ['heads', 'stories', 'confidence', 'contextualization', 'since', 'messages'].map(
  (id) => find(id, HTMLTableRowElement),
)
const log = find('log', HTMLElement)
const tabs = find('tabs', HTMLInputElement)

let leave = new AbortController()
let showCalls = () => {}

/** Shows jobs and follows them until others are shown. */
async function show(setId: string): Promise<void> {
  const { serviceUrl, jobs } = await getSet(setId)
  leave.abort()
  leave = new AbortController()
  const { signal } = leave

  const columns = new Map(jobs.map((job) => [job.jobId, jobColumn(job, serviceUrl)]))
  for (const [index, row] of rows.entries()) {
    const [name = ''] = row.cells
    row.replaceChildren(name, ...[...columns.values()].map(({ cells }) => cells[index] ?? ''))
  }
  log.replaceChildren()
  anotherTab.href = `/demo?set=${setId}`
  find('docs', HTMLAnchorElement).href = `${serviceUrl}/docs`

  const latest = new Map<string, JobNews>()
  const onNews = (news: JobNews) => {
    latest.set(news.jobId, news)
    const change = columns.get(news.jobId)?.show(news)
    if (change) log.prepend(make('li', '', `${timeOfDay.format(new Date())}  ${change}`))
  }
  const count = async () => {
    const { ageMs, calls } = await getSet(setId)
    if (signal.aborted) return
    const polls = jobs.reduce((sum, { jobId }) => sum + pollsOf(latest.get(jobId), ageMs), 0)
    showCalls = () => showBars(calls, polls * Math.max(1, tabs.valueAsNumber || 1))
    showCalls()
  }
  // A count that fails is followed by another one; whether all is well, the stream says.
  const tryToCount = () => count().catch(() => {})
  tryToCount()
  const timer = setInterval(tryToCount, COUNT_EVERY_MS)
  signal.addEventListener('abort', () => clearInterval(timer))

  const jobIds = [...columns.keys()]
  followJobs(jobIds, {
    serviceUrl,
    getToken: async () => (await getJson<{ token: string }>('/demo/token')).token,
    onNews,
    onState: (state) => showState(state, jobIds.length),
    signal,
  })
}

/** Adds new jobs to the simulated CDF and shows them. */
async function start(): Promise<void> {
  again.disabled = true
  try {
    const { id } = await getJson<{ id: string }>('/demo/sets', { method: 'POST' })
    await show(id)
    // Whichever jobs the address names, it is others now.
    history.replaceState(null, '', '/demo')
  } catch {
    connection.textContent = 'The demo does not answer. Is it still running?'
    connection.dataset.state = 'lost'
  } finally {
    again.disabled = false
  }
}

function showState({ name, reason }: StreamState, jobCount: number): void {
  connection.dataset.state = name
  connection.textContent = {
    connecting: 'Connecting …',
    live: `Live: one stream for ${jobCount} jobs`,
    lost: `Connection lost (${reason}). Trying again in 2 seconds …`,
    over: 'All has been told: the stream has ended',
  }[name]
}

function showBars(service: number, polls: number): void {
  for (const [id, count] of Object.entries({ service, polls })) {
    find(`${id}-calls`, HTMLElement).textContent = count.toLocaleString('en')
    find(`${id}-bar`, HTMLElement).style.inlineSize = `${(100 * count) / Math.max(service, polls)}%`
  }
}

const getSet = (setId: string) => getJson<JobSet>(`/demo/sets/${setId}`)

/** JSON from the simulator, which serves this page and knows what it expects. */
async function getJson<T>(url: string, options?: RequestInit): Promise<T> {
  const response = await fetch(url, options)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.json()
}

function find<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id)
  if (element instanceof type) return element
  throw new Error(`The page has no ${id}.`)
}

again.addEventListener('click', start)
tabs.addEventListener('input', () => showCalls())

// Another tab may have been opened on the same jobs, unless the simulator has forgotten them.
const setId = new URLSearchParams(location.search).get('set')
if (setId === null) await start()
else await show(setId).catch(start)
