import type { ReplicaState } from '../replica-state.ts'
import { createElement } from './job-row.ts'

/** What the panel shows. */
export interface FleetState {
  replicas: readonly ReplicaState[]
  /** The time since the jobs were created. */
  ageMs: number
  /** The greatest number of requests to CDF for one of these jobs. */
  maxCdfRequests: number
}

/** Shows the replicas in a panel, which is hidden if there is only one. */
export function showReplicas(panel: HTMLElement, { replicas, ageMs, maxCdfRequests }: FleetState) {
  panel.hidden = replicas.length < 2
  const total = replicas.reduce((sum, { cdfRequests }) => sum + cdfRequests, 0)
  const rows = replicas.flatMap(({ streams, cdfRequests }, index) => {
    const bar = createElement('span', 'bar')
    bar.style.inlineSize = `${(100 * cdfRequests) / Math.max(1, total)}%`
    const track = createElement('span', 'track')
    track.append(bar)
    const value = createElement('dd')
    value.append(createElement('span', 'count', cdfRequests.toLocaleString('en')), track)
    const openStreams = streams === 1 ? '1 open stream' : `${streams} open streams`
    return [createElement('dt', '', `Replica ${index + 1}: ${openStreams}`), value]
  })
  panel.querySelector('dl')?.replaceChildren(...rows)
  const summary = panel.querySelector('.summary')
  const seconds = Math.round(ageMs / 1000)
  if (summary)
    summary.textContent = `No job has cost CDF more than ${maxCdfRequests} requests in ${seconds} s.`
}
