import { entityTagFor } from '../http/entity-tag.ts'
import { type Problem, ProblemError } from '../problems/problem.ts'
import type { CachedResponse } from './cached-response.ts'
import type { JobQuality } from './job-quality.ts'
import { type CacheOutcome, isFinal, type ReadResult, type ReadSummary } from './read-result.ts'

/** The response for several jobs: each with its quality or its problem, in the order of the request. */
export interface JobQualityList {
  items: { jobId: string; quality: JobQuality | null; problem: Problem | null }[]
}

/** A serialized {@link JobQualityList}. `done` means that all states are final. */
export type JobListResponse = Pick<CachedResponse, 'body' | 'byteLength' | 'etag' | 'done'>

/** The result for an invalid job id in a list. It is final, and CDF is not called. */
export const INVALID_JOB_ID: ReadResult = {
  problem: new ProblemError('invalid-job-id'),
  outcome: 'hit',
  collapsed: false,
}

/**
 * Builds a list response from serialized jobs. Problems are serialized anew, because they hold the request id.
 * @param results of the jobs, in their order
 */
export function toJobListResponse(
  listedIds: readonly string[],
  results: readonly ReadResult[],
  { requestId, publicUrl }: { requestId: string; publicUrl: string },
): JobListResponse {
  const tags: string[] = []
  const items = results.map(({ response, problem }, index) => {
    const problemJson = problem ? JSON.stringify(problem.toProblem(requestId, publicUrl)) : 'null'
    tags.push(response ? response.etag : problemJson)
    const jobId = JSON.stringify(listedIds[index])
    return `{"jobId":${jobId},"quality":${response?.body ?? 'null'},"problem":${problemJson}}`
  })
  const body = `{"items":[${items.join()}]}`
  return {
    body,
    byteLength: Buffer.byteLength(body),
    etag: entityTagFor(tags.join('')),
    done: results.every(isFinal),
  }
}

/** From the cheapest to the most expensive outcome. */
const OUTCOMES: readonly CacheOutcome[] = ['hit', 'stale-if-error', 'stale', 'miss']

/** One summary for several reads: the most expensive outcome and, if CDF was not read, the greatest age. */
export function combineReads(results: readonly ReadResult[]): ReadSummary {
  const level = Math.max(...results.map(({ outcome }) => OUTCOMES.indexOf(outcome)))
  const forwarded = results.filter(({ outcome }) => outcome === 'miss' || outcome === 'stale')
  const ages = results.map(({ ageSeconds }) => ageSeconds ?? 0)
  return {
    outcome: OUTCOMES[level] as CacheOutcome,
    collapsed: forwarded.length > 0 && forwarded.every(({ collapsed }) => collapsed),
    ...(forwarded.length === 0 && { ageSeconds: Math.max(...ages) }),
  }
}
