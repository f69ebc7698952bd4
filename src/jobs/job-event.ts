import type { Problem } from '../problems/problem.ts'

/**
 * The data of a `problem` event: a Problem with the id of its job, without `status`. That is a text in a JobQuality, and
 * the status of the HTTP response in a Problem (RFC 9457 §3.1.2).
 */
export interface JobProblem extends Omit<Problem, 'status'> {
  /** In canonical form. An invalid job id is as it was sent, shortened. */
  jobId: string
}

/** Makes a problem of a request the data of an event. */
export function toJobProblem({ status: _, ...problem }: Problem, jobId: string): JobProblem {
  return { ...problem, jobId }
}
