import type { JobId } from '../cdf/job-id.ts'
import type { Problem } from '../problem.ts'
import { entityTagOf } from './job-answer.ts'
import type { JobQuality } from './job-quality.ts'
import type { CacheOutcome, JobRead, JobReadSummary } from './job-read.ts'

/** What this service promises of several jobs at once: in the order asked, each with its quality or its problem. */
export const JOB_QUALITY_LIST_SCHEMA = {
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        required: ['jobId', 'quality', 'problem'],
        properties: {
          jobId: { type: 'string', description: 'The id asked for, in canonical form.' },
          quality: { anyOf: [{ $ref: 'JobQuality' }, { type: 'null' }] },
          problem: { anyOf: [{ $ref: 'Problem' }, { type: 'null' }] },
        },
        $id: 'JobQualityListItem',
        additionalProperties: false,
        description: 'One job with its quality or, where that cannot be told, its problem.',
      },
      description: 'Each job once, in the order asked.',
    },
  },
  $id: 'JobQualityList',
  additionalProperties: false,
  description: 'Several jobs.',
}

/** Several jobs as callers see them. */
export interface JobQualityList {
  items: { jobId: string; quality: JobQuality | null; problem: Problem | null }[]
}

/** Several jobs in one answer. */
export interface JobListAnswer {
  /** `{ "items": [ { "jobId", "quality", "problem" } ] }`: JSON on one line. */
  readonly body: string
  /** Of the body in UTF-8. */
  readonly byteLength: number
  /** Strong entity tag of the body, with its quotes. */
  readonly etag: string
  /** Whether all that is known of the jobs is final. */
  readonly done: boolean
}

/**
 * Puts answers together that were serialized before; only problems are made anew, since each has its request's id.
 * @param reads of the jobs, in their order
 */
export function toJobList(
  jobIds: readonly JobId[],
  reads: readonly JobRead[],
  requestId: string,
): JobListAnswer {
  let items = ''
  let tags = ''
  for (const [index, jobId] of jobIds.entries()) {
    const { answer, problem } = reads[index] as JobRead
    const problemText = problem ? JSON.stringify(problem.toProblem(requestId)) : 'null'
    tags += answer ? answer.etag : problemText
    // An id in canonical form needs no escaping.
    items += `${index === 0 ? '' : ','}{"jobId":"${jobId}","quality":${answer ? answer.body : 'null'},"problem":${problemText}}`
  }
  const body = `{"items":[${items}]}`
  return {
    body,
    byteLength: Buffer.byteLength(body),
    etag: entityTagOf(tags),
    done: reads.every(({ answer, problem }) => (answer ? answer.done : !problem.mayPass)),
  }
}

/** From what cost nothing to what went to CDF. */
const OUTCOMES: readonly CacheOutcome[] = ['hit', 'stale-if-error', 'stale', 'miss']

/** How the cache took part in all of them: as in the one for which it could do least; as old as the oldest. */
export function togetherFromCache(reads: readonly JobRead[]): JobReadSummary {
  const level = Math.max(...reads.map(({ outcome }) => OUTCOMES.indexOf(outcome)))
  const forwarded = reads.filter(({ outcome }) => outcome === 'miss' || outcome === 'stale')
  const ages = reads.map(({ ageSeconds }) => ageSeconds ?? 0)
  return {
    outcome: OUTCOMES[level] as CacheOutcome,
    collapsed: forwarded.length > 0 && forwarded.every(({ collapsed }) => collapsed),
    ...(forwarded.length === 0 && { ageSeconds: Math.max(...ages) }),
  }
}
