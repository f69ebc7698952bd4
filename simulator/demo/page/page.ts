import { createClient, type JobUpdate } from '@cdf-job-quality/client'
import type { DemoPageJob } from '../page-jobs.ts'
import { createElement, jobRow, timeOfDay } from './job-row.ts'
import { pollCount } from './poll-count.ts'
import { type FleetState, showReplicas } from './replicas.ts'

/** The jobs that the page shows. */
interface JobSet extends FleetState {
  serviceUrl: string
  jobs: DemoPageJob[]
  /** Number of requests that CDF received for these jobs, from all tabs. */
  cdfRequests: number
}

const COUNT_INTERVAL_MS = 1_000

const restart = find('restart', HTMLButtonElement)
const anotherTab = find('another-tab', HTMLAnchorElement)
const connection = find('connection', HTMLElement)
const table = find('jobs', HTMLTableSectionElement)
const log = find('log', HTMLElement)
const tabs = find('tabs', HTMLInputElement)

let shown = new AbortController()
let updateBars = () => {}

/** Shows and follows these jobs in place of the previous ones. */
async function show(setId: string): Promise<void> {
  const { serviceUrl, jobs } = await getSet(setId)
  shown.abort()
  shown = new AbortController()
  const { signal } = shown

  const rows = new Map(jobs.map((job) => [job.jobId, jobRow(job, serviceUrl)]))
  table.replaceChildren(...[...rows.values()].map(({ element }) => element))
  log.replaceChildren()
  anotherTab.href = `/demo?set=${setId}`
  find('docs', HTMLAnchorElement).href = `${serviceUrl}/docs`

  const latest = new Map<string, JobUpdate>()
  const onUpdate = (update: JobUpdate) => {
    latest.set(update.jobId, update)
    const summary = rows.get(update.jobId)?.show(update)
    if (summary) {
      log.prepend(createElement('li', '', `${timeOfDay.format(new Date())}  ${summary}`))
    }
  }
  const count = async () => {
    const { ageMs, cdfRequests, ...fleet } = await getSet(setId)
    if (signal.aborted) return
    showReplicas(find('replicas', HTMLElement), { ageMs, ...fleet })
    const polls = jobs.reduce((sum, { jobId }) => sum + pollCount(latest.get(jobId), ageMs), 0)
    updateBars = () => showBars(cdfRequests, polls * Math.max(1, tabs.valueAsNumber || 1))
    updateBars()
  }
  // A failed count is retried after the next interval; the state of the stream shows errors.
  const tryToCount = () => count().catch(() => {})
  tryToCount()
  const timer = setInterval(tryToCount, COUNT_INTERVAL_MS)
  signal.addEventListener('abort', () => clearInterval(timer))

  const client = createClient({
    baseUrl: serviceUrl,
    token: async () => (await getJson<{ token: string }>('/demo/token')).token,
  })
  const onOpen = () => showState('live', `Live: one stream for ${rows.size} jobs`)
  showState('connecting', 'Connecting …')
  follow(client.follow([...rows.keys()], { signal, onOpen, onRetry }), onUpdate).catch(
    (error: Error) => {
      if (!signal.aborted) showState('lost', `The stream has failed: ${error.message}`)
    },
  )
}

function onRetry({ message }: Error, delayMs: number): void {
  const seconds = Math.round(delayMs / 1000)
  showState('lost', `Connection lost (${message}). Reconnecting in ${seconds} seconds …`)
}

async function follow(
  updates: AsyncIterable<JobUpdate>,
  onUpdate: (update: JobUpdate) => void,
): Promise<void> {
  for await (const update of updates) onUpdate(update)
  showState('ended', 'No more changes: the stream has ended')
}

/** Adds new jobs to the simulated CDF and shows them. */
async function start(): Promise<void> {
  restart.disabled = true
  try {
    const { id } = await getJson<{ id: string }>('/demo/sets', { method: 'POST' })
    await show(id)
    // The URL may name the previous jobs.
    history.replaceState(null, '', '/demo')
  } catch {
    showState('lost', 'The demo does not respond. Is it still running?')
  } finally {
    restart.disabled = false
  }
}

function showState(state: 'connecting' | 'live' | 'lost' | 'ended', text: string): void {
  connection.dataset.state = state
  connection.textContent = text
}

function showBars(service: number, polls: number): void {
  for (const [id, count] of Object.entries({ service, polls })) {
    find(`${id}-requests`, HTMLElement).textContent = count.toLocaleString('en')
    find(`${id}-bar`, HTMLElement).style.inlineSize = `${(100 * count) / Math.max(service, polls)}%`
  }
}

const getSet = (setId: string) => getJson<JobSet>(`/demo/sets/${setId}`)

async function getJson<T>(url: string, options?: RequestInit): Promise<T> {
  const response = await fetch(url, options)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.json()
}

function find<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id)
  if (element instanceof type) return element
  throw new Error(`The page has no element with the id ${id}.`)
}

restart.addEventListener('click', start)
tabs.addEventListener('input', () => updateBars())

// The simulator loses the jobs of another tab when it restarts.
const setId = new URLSearchParams(location.search).get('set')
if (setId === null) await start()
else await show(setId).catch(start)
