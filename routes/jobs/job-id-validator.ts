import type { FastifySchemaCompiler } from 'fastify'
import type { JobId } from '../../src/cdf/job-id.ts'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { ProxyError } from '../../src/problem.ts'

/** Greatest number of jobs in one request. */
export const MAX_JOBS = 100

/**
 * Checks `jobId` in a path or in a query and puts its canonical form in its place: one parser, instead of a pattern and
 * a parser. In a query there may be several, which become a list without duplicates.
 * Other parts of the request have schemas for the reader only; whoever uses such a part checks it.
 */
export const jobIdValidator: FastifySchemaCompiler<unknown> = ({ httpPart }) => {
  if (httpPart === 'params') return validatePath
  if (httpPart === 'querystring') return validateQuery
  return () => true
}

function validatePath(params: { jobId: string }) {
  const jobId = parseJobId(params.jobId)
  return jobId === undefined ? { error: new ProxyError('invalid-job-id') } : { value: { jobId } }
}

function validateQuery({ jobId: given = [] }: { jobId?: string | string[] }) {
  const jobIds = new Set<JobId>()
  for (const [index, text] of [given].flat().entries()) {
    const jobId = parseJobId(text)
    if (jobId === undefined) return { error: invalidJobId(index + 1) }
    jobIds.add(jobId)
  }
  if (jobIds.size === 0 || jobIds.size > MAX_JOBS) {
    const detail = `Give the parameter jobId 1 to ${MAX_JOBS} times, once for each job.`
    return { error: new ProxyError('invalid-request', { detail }) }
  }
  return { value: { jobId: [...jobIds] } }
}

function invalidJobId(position: number): ProxyError {
  const { message } = new ProxyError('invalid-job-id')
  return new ProxyError('invalid-job-id', {
    detail: `${message} Number ${position} of those given is not.`,
  })
}
