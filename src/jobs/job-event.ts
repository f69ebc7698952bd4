import type { Problem } from '../problems/problem.ts'

/**
 * The data of a `problem` event: a Problem with the id of its job. Without `status`, which in a JobQuality is a text, and
 * which should be that of the HTTP response (RFC 9457 §3.1.2).
 */
export interface JobProblem extends Omit<Problem, 'status'> {
  /** In canonical form. An invalid job id is as it was sent, shortened. */
  jobId: string
}

/** Makes a problem of a request the data of an event. */
export function toJobProblem({ status: _, ...problem }: Problem, jobId: string): JobProblem {
  return { ...problem, jobId }
}
