import type { FastifySchemaCompiler } from 'fastify'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { ProblemError } from '../../src/problems/problem.ts'

/** Greatest number of jobs in one request. */
export const MAX_JOBS = 100

/** Greatest length of an invalid job id in a response, in characters. A valid one has at most 36. */
const MAX_INVALID_ID_LENGTH = 64

/**
 * Validates `jobId` in the path or the query. Routes validate the other parts of a request themselves.
 *
 * In the path, it is replaced with its canonical form. In the query, it becomes a list without duplicates. There an
 * invalid job id stays, shortened, because it gets its own problem.
 *
 * Fastify calls it only for the parts of a request that have a schema, even an empty one.
 */
export const jobIdValidator: FastifySchemaCompiler<unknown> = ({ httpPart }) =>
  httpPart === 'params' ? validatePath : validateQuery

function validatePath(params: { jobId: string }) {
  const jobId = parseJobId(params.jobId)
  return jobId === undefined ? { error: new ProblemError('invalid-job-id') } : { value: { jobId } }
}

function validateQuery({ jobId = [], ...others }: Record<string, string | string[]>) {
  const values = [jobId].flat()
  // What some clients send for an array: `jobId[]=A`, `jobId[0]=A`, `jobIds=A`, or `jobId=A,B`.
  const hasOtherForm =
    Object.keys(others).some((name) => /^jobid/i.test(name)) ||
    values.some((value) => value.includes(','))
  const listed = new Set(values.map((value) => parseJobId(value) ?? shorten(value)))
  return hasOtherForm || listed.size === 0 || listed.size > MAX_JOBS
    ? { error: new ProblemError('invalid-request', { detail: QUERY_FORM }) }
    : { value: { jobId: [...listed] } }
}

const QUERY_FORM = `Repeat the parameter jobId 1 to ${MAX_JOBS} times, once for each job: jobId=A&jobId=B. Other forms, such as jobId[]=A or jobId=A,B, are not supported.`

function shorten(invalidId: string): string {
  return invalidId.slice(0, MAX_INVALID_ID_LENGTH).toWellFormed()
}
