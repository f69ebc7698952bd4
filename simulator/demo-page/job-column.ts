import type { DemoPageJob } from '../demo-page-jobs.ts'
import type { JobNews } from './job-stream.ts'
import { isLast } from './job-stream.ts'

/** From how many percent on a score is good, and middling. */
const GOOD = 80
const MIDDLING = 40
/** How long a change catches the eye. */
const FLASH_MS = 1_500

const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })
/** Hours, minutes and seconds, as people write them here. */
export const timeOfDay = new Intl.DateTimeFormat([], { timeStyle: 'medium' })

/** One job of the table. */
export interface JobColumn {
  /** One for each row, in their order: the header, story, confidence, contextualization, time, message. */
  cells: HTMLTableCellElement[]
  /** Shows what the service says; returns it in a few words, if the job has changed. */
  show: (news: JobNews) => string | undefined
}

/** The column of a job of which nothing is known yet. */
export function jobColumn({ title, story }: DemoPageJob, serviceUrl: string): JobColumn {
  const chip = make('span', 'chip')
  const spinner = make('span', 'spinner')
  const status = make('span', 'status', 'Not asked yet')
  const state = make('span', 'state')
  state.append(spinner, status)
  const head = make('th')
  head.scope = 'col'
  head.append(make('span', 'title', title), chip, state)
  const about = make('td', 'text', story)
  const confidence = make('td', 'score')
  const contextualization = make('td', 'score')
  const since = make('td')
  const message = make('td', 'text')

  function showScores(scores: Scores, isOver: boolean): void {
    // As long as the job goes on, there may be one yet.
    showScore(chip, scores?.qualityPercent ?? (isOver ? null : undefined), 'no score yet')
    showScore(confidence, scores?.confidencePercent, '–')
    showScore(contextualization, scores?.contextualizationPercent, '–')
  }

  let shown = ''
  function show(news: JobNews): string | undefined {
    const { quality, problem } = news
    const word = quality ? quality.status : problem.title
    status.textContent = word
    spinner.hidden = word !== 'Queued' && word !== 'Running'
    head.dataset.status = quality?.status ?? 'Problem'
    showScores(quality?.scores ?? null, isLast(news))
    since.textContent = timeText(quality?.statusChangedAt)
    message.replaceChildren(...messageOf(news, serviceUrl))

    const change = `${title}: ${word}${word === 'Completed' ? `, ${chip.textContent}` : ''}`
    if (change === shown) return undefined
    shown = change
    head.animate({ backgroundColor: ['var(--flash)', 'transparent'] }, FLASH_MS)
    return change
  }

  spinner.hidden = true
  showScores(null, false)
  return { cells: [head, about, confidence, contextualization, since, message], show }
}

type Scores = NonNullable<JobNews['quality']>['scores']

function timeText(instant: string | null | undefined): string {
  return instant ? timeOfDay.format(new Date(instant)) : '–'
}

/** `null` is no score; 0 is one. */
function showScore(
  element: HTMLElement,
  score: number | null | undefined,
  textWithout: string,
): void {
  element.textContent =
    score === undefined
      ? textWithout
      : score === null
        ? 'no score'
        : `${percent.format(score)}\u00a0%`
  element.dataset.grade = gradeOf(score)
}

function gradeOf(score: number | null | undefined): string {
  if (score === undefined) return 'pending'
  if (score === null) return 'none'
  if (score >= GOOD) return 'good'
  return score >= MIDDLING ? 'middling' : 'poor'
}

function messageOf({ quality, problem }: JobNews, serviceUrl: string): (Node | string)[] {
  if (problem) {
    const help = make('a', '', 'What to do')
    help.href = new URL(problem.type, serviceUrl).href
    help.target = '_blank'
    return [`${problem.detail} `, help]
  }
  if (quality.status === 'Failed') return [quality.errorMessage ?? 'CDF gives no reason.']
  if (quality.status === 'Unknown') return ['CDF says a word that the service does not know.']
  return ['–']
}

/** An element with a class and a text. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  if (className) element.className = className
  element.textContent = text
  return element
}
