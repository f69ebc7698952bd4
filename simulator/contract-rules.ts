import type { JobQualityList } from '../src/jobs/job-list.ts'
import type { JobQuality } from '../src/jobs/job-quality.ts'
import type { Problem } from '../src/problem.ts'
import { PROBLEMS } from '../src/problem-table.ts'

/** What the contract allows in an answer, as far as one can tell without knowing what CDF said. */
export class ContractRules {
  readonly #doneJobs = new Set<string>()

  /** What of an answer the contract does not allow; nothing if all is well. */
  violationOf(
    jobIds: readonly string[],
    status: number,
    headers: Record<string, unknown>,
    text: string,
  ): string | undefined {
    if (!headers['x-request-id'] || headers['x-content-type-options'] !== 'nosniff')
      return 'headers are missing'
    if (status === 304) return text === '' ? undefined : 'a 304 with a body'
    const body: unknown = JSON.parse(text)
    if (status !== 200) {
      if (headers['content-type'] !== 'application/problem+json')
        return `no problem: ${status} ${text} ${JSON.stringify(headers)}`
      return this.#violationOfProblem(body as Problem, status)
    }
    if (!headers.etag || !headers['cache-status']) return 'headers of an answer are missing'
    const [jobId = ''] = jobIds
    return jobIds.length === 1
      ? this.#violationOfQuality(jobId, body as JobQuality)
      : this.#violationOfList(jobIds, body as JobQualityList)
  }

  /** The same for an event of a stream. */
  violationOfEvent(event: string | undefined, data: string): string | undefined {
    const body: unknown = JSON.parse(data)
    if (event === 'status') {
      const quality = body as JobQuality
      return this.#violationOfQuality(quality.jobId, quality)
    }
    if (event === 'problem') {
      const problem = body as Problem
      return this.#violationOfProblem(problem, problem.status)
    }
    return `an event ${event}`
  }

  #violationOfList(jobIds: readonly string[], { items }: JobQualityList): string | undefined {
    if (items.map(({ jobId }) => jobId).join() !== jobIds.join()) return 'other jobs'
    for (const { jobId, quality, problem } of items) {
      const violation = quality
        ? this.#violationOfQuality(jobId, quality)
        : problem && this.#violationOfProblem(problem, problem.status)
      if (violation || !quality === !problem) return violation ?? 'neither quality nor problem'
    }
    return undefined
  }

  #violationOfQuality(jobId: string, quality: JobQuality): string | undefined {
    if (quality.jobId !== jobId) return 'another job'
    if (Object.keys(quality).length !== 10) return 'not every key'
    if (quality.done) this.#doneJobs.add(jobId)
    return quality.done || !this.#doneJobs.has(jobId) ? undefined : 'a done job went back'
  }

  #violationOfProblem(problem: Problem, status: number): string | undefined {
    const { code } = problem
    if (!(code in PROBLEMS) || PROBLEMS[code].status !== status || problem.status !== status)
      return `a problem with the wrong status: ${JSON.stringify(problem)}`
    return code === 'internal-error' ? 'internal-error' : undefined
  }
}
