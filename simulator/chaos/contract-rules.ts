import type { JobUpdate } from '../../client/src/index.ts'
import type { JobQualityList } from '../../src/jobs/job-list.ts'
import type { JobQuality } from '../../src/jobs/job-quality.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { PROBLEM_TYPES, type ProblemCode } from '../../src/problems/problem-types.ts'

/** Checks responses against the rules of the contract that do not depend on what CDF returned. */
export class ContractRules {
  readonly #doneJobs = new Set<string>()

  /** How a response violates the contract; `undefined` if it does not. */
  violationOf(
    jobIds: readonly string[],
    status: number,
    headers: Record<string, unknown>,
    text: string,
  ): string | undefined {
    if (!headers['x-request-id'] || headers['x-content-type-options'] !== 'nosniff')
      return 'x-request-id or x-content-type-options is missing'
    if (status === 304) return text === '' ? undefined : '304 with a body'
    const body: unknown = JSON.parse(text)
    if (status !== 200) {
      if (headers['content-type'] !== 'application/problem+json')
        return `not a problem: ${status} ${text} ${JSON.stringify(headers)}`
      return this.#violationOfProblem(body as Problem, status)
    }
    if (!headers.etag || !headers['cache-status']) return 'etag or cache-status is missing'
    const [jobId = ''] = jobIds
    return jobIds.length === 1
      ? this.#violationOfQuality(jobId, body as JobQuality)
      : this.#violationOfList(jobIds, body as JobQualityList)
  }

  /** How an update of the client package violates the contract; `undefined` if it does not. */
  violationOfUpdate({ jobId, quality, problem }: JobUpdate): string | undefined {
    if (quality) return this.#violationOfQuality(jobId, quality as JobQuality)
    const { status } = PROBLEM_TYPES[problem.code as ProblemCode] ?? {}
    return this.#violationOfProblem({ ...problem, status } as Problem, status)
  }

  #violationOfList(jobIds: readonly string[], { items }: JobQualityList): string | undefined {
    if (items.map(({ jobId }) => jobId).join() !== jobIds.join()) return 'different jobs'
    for (const { jobId, quality, problem } of items) {
      const violation = quality
        ? this.#violationOfQuality(jobId, quality)
        : problem && this.#violationOfProblem(problem, problem.status)
      if (violation || !quality === !problem)
        return violation ?? 'not exactly one of quality and problem'
    }
    return undefined
  }

  #violationOfQuality(jobId: string, quality: JobQuality): string | undefined {
    if (quality.jobId !== jobId) return 'different job'
    if (Object.keys(quality).length !== 10) return 'wrong number of keys'
    if (quality.done) this.#doneJobs.add(jobId)
    return quality.done || !this.#doneJobs.has(jobId) ? undefined : 'a done job changed to not done'
  }

  #violationOfProblem(problem: Problem, status: number): string | undefined {
    const { code } = problem
    if (
      !(code in PROBLEM_TYPES) ||
      PROBLEM_TYPES[code].status !== status ||
      problem.status !== status
    )
      return `problem with the wrong status: ${JSON.stringify(problem)}`
    return code === 'internal-error' ? 'internal-error' : undefined
  }
}
