import { isFinal, type JobUpdate } from '@cdf-job-quality/client'
import type { DemoPageJob } from '../page-jobs.ts'

/** The lowest good score and the lowest medium score, in percent. */
const GOOD = 80
const MEDIUM = 40
/** How long a changed job is highlighted. */
const HIGHLIGHT_MS = 1_500

const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })
/** Formats hours, minutes and seconds in the locale of the browser. */
export const timeOfDay = new Intl.DateTimeFormat([], { timeStyle: 'medium' })

/** One job of the table. */
export interface JobRow {
  element: HTMLTableRowElement
  /** Shows an update; returns a summary if the status or the quality score changed. */
  show: (update: JobUpdate) => string | undefined
}

/** Creates the row of a job that has no update yet. */
export function jobRow({ title, scenario }: DemoPageJob, serviceUrl: string): JobRow {
  const element = createElement('tr')
  const header = createElement('th')
  header.scope = 'row'
  header.append(createElement('span', 'title', title), createElement('span', 'scenario', scenario))
  const chip = createElement('span', 'chip')
  const spinner = createElement('span', 'spinner')
  const status = createElement('span', 'status', 'Loading …')
  const quality = cell('Estimated quality', chip)
  const state = cell('Status', spinner, status)
  const confidence = cell('Confidence')
  const contextualization = cell('Contextualization')
  const since = cell('Status since')
  const message = cell('Message')
  element.append(header, quality, state, confidence, contextualization, since, message)

  function showScores(scores: Scores, isDone: boolean): void {
    showScore(chip, scores?.qualityPercent ?? (isDone ? null : undefined), 'no score yet')
    showScore(confidence, scores?.confidencePercent, '–')
    showScore(contextualization, scores?.contextualizationPercent, '–')
  }

  let lastSummary = ''
  function show(update: JobUpdate): string | undefined {
    const { quality, problem } = update
    const text = quality ? quality.status : problem.title
    status.textContent = text
    spinner.hidden = text !== 'Queued' && text !== 'Running'
    element.dataset.status = quality?.status ?? 'Problem'
    showScores(quality?.scores ?? null, isFinal(update))
    since.textContent = formatTime(quality?.statusChangedAt)
    message.replaceChildren(...messageOf(update, serviceUrl))

    const summary = `${title}: ${text}${text === 'Completed' ? `, ${chip.textContent}` : ''}`
    if (summary === lastSummary) return undefined
    lastSummary = summary
    element.animate({ backgroundColor: ['var(--highlight)', 'var(--surface)'] }, HIGHLIGHT_MS)
    return summary
  }

  spinner.hidden = true
  showScores(null, false)
  return { element, show }
}

/** Creates a cell. Cards show its label, tables the header of its column. */
function cell(label: string, ...children: Node[]): HTMLTableCellElement {
  const element = createElement('td')
  element.dataset.label = label
  element.append(...children)
  return element
}

type Scores = NonNullable<JobUpdate['quality']>['scores']

function formatTime(instant: string | null | undefined): string {
  return instant ? timeOfDay.format(new Date(instant)) : '–'
}

/** Shows a score, `null` as "no score", and `undefined` as the given text. */
function showScore(
  element: HTMLElement,
  score: number | null | undefined,
  textIfUndefined: string,
): void {
  element.textContent =
    score === undefined
      ? textIfUndefined
      : score === null
        ? 'no score'
        : `${percent.format(score)}\u00a0%`
  element.dataset.grade = gradeOf(score)
}

function gradeOf(score: number | null | undefined): string {
  if (score === undefined) return 'pending'
  if (score === null) return 'none'
  if (score >= GOOD) return 'good'
  return score >= MEDIUM ? 'medium' : 'poor'
}

function messageOf({ quality, problem }: JobUpdate, serviceUrl: string): (Node | string)[] {
  if (problem) {
    const help = createElement('a', '', 'What to do')
    help.href = new URL(problem.type, serviceUrl).href
    help.target = '_blank'
    return [`${problem.detail} `, help]
  }
  if (quality.status === 'Failed') return [quality.errorMessage ?? 'CDF returned no reason.']
  if (quality.status === 'Unknown') return ['CDF returned a status that the service does not know.']
  return ['–']
}

/** Creates an element with a class and a text. */
export function createElement<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  if (className) element.className = className
  element.textContent = text
  return element
}
