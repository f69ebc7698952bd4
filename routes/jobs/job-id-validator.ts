import type { FastifySchemaCompiler } from 'fastify'
import type { JobId } from '../../src/cdf/job-id.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { ProblemError } from '../../src/problems/problem.ts'

/** Greatest number of jobs in one request. */
export const MAX_JOBS = 100

/**
 * Validates `jobId` in the path or the query, and replaces it with its canonical form; in the query with a list without
 * duplicates. Routes validate the other parts of a request themselves.
 */
export const jobIdValidator: FastifySchemaCompiler<unknown> = ({ httpPart }) => {
  if (httpPart === 'params') return validatePath
  if (httpPart === 'querystring') return validateQuery
  return () => true
}

function validatePath(params: { jobId: string }) {
  const jobId = parseJobId(params.jobId)
  return jobId === undefined ? { error: new ProblemError('invalid-job-id') } : { value: { jobId } }
}

function validateQuery({ jobId: values = [] }: { jobId?: string | string[] }) {
  const jobIds = new Set<JobId>()
  for (const [index, value] of [values].flat().entries()) {
    const jobId = parseJobId(value)
    if (jobId === undefined) return { error: invalidJobId(index + 1) }
    jobIds.add(jobId)
  }
  if (jobIds.size === 0 || jobIds.size > MAX_JOBS) {
    const detail = `Repeat the parameter jobId 1 to ${MAX_JOBS} times, once for each job.`
    return { error: new ProblemError('invalid-request', { detail }) }
  }
  return { value: { jobId: [...jobIds] } }
}

function invalidJobId(position: number): ProblemError {
  const { message } = new ProblemError('invalid-job-id')
  return new ProblemError('invalid-job-id', {
    detail: `${message} The value at position ${position} is not.`,
  })
}
