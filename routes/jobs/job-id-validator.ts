import type { FastifySchemaCompiler } from 'fastify'
import { parseJobId } from '../../src/cdf/job-id.ts'
import { ProxyError } from '../../src/problem.ts'

/**
 * Checks `jobId` in a path and puts its canonical form in its place: one parser, instead of a pattern and a parser.
 * Other parts of the request have schemas for the reader only; whoever uses such a part checks it.
 */
export const jobIdValidator: FastifySchemaCompiler<unknown> = ({ httpPart }) => {
  if (httpPart !== 'params') return () => true
  return (params: { jobId: string }) => {
    const jobId = parseJobId(params.jobId)
    return jobId === undefined ? { error: new ProxyError('invalid-job-id') } : { value: { jobId } }
  }
}
