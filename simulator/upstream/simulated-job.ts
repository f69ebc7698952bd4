/** A status of a job and when the job reaches it. */
export interface JobStep {
  /** Milliseconds after the job was added. */
  afterMs: number
  /** CDF's `status`. */
  status: string
  /** Members of the body that come with this status, such as scores or an error message. */
  with?: Record<string, unknown>
}

/** A job and the statuses that it goes through. */
export interface SimulatedJob {
  jobId: string
  advancedJoinExternalId: string
  /** In chronological order; the first one at 0. */
  steps: readonly [JobStep, ...JobStep[]]
}

/** The members of CDF's body that hold scores. */
export const SCORES = {
  qualityScorePercent: 87.5,
  confidencePercent: 62.31,
  contextualizationScorePercent: 71.04,
}

/**
 * A job whose status never changes.
 * @param members of the body, in addition to those that every job has
 */
export function lasting(
  jobId: string,
  status: string,
  members: Record<string, unknown> = {},
): SimulatedJob {
  return {
    jobId,
    advancedJoinExternalId: 'pump-to-area-direct',
    steps: [{ afterMs: 0, status, with: members }],
  }
}

/**
 * CDF's response body for a job.
 * @param createdMs when the job was added, milliseconds since the epoch
 * @param nowMs the time of the request
 */
export function responseBody(
  job: SimulatedJob,
  createdMs: number,
  nowMs: number,
): Record<string, unknown> {
  const reached = job.steps.filter(({ afterMs }) => createdMs + afterMs <= nowMs)
  const step = reached.at(-1) ?? job.steps[0]
  const started = reached.find(({ status }) => status !== 'Queued')
  return {
    jobId: job.jobId,
    status: step.status,
    createdTime: createdMs,
    startTime: started ? createdMs + started.afterMs : 0,
    statusTime: createdMs + step.afterMs,
    advancedJoinExternalId: job.advancedJoinExternalId,
    matcher: {
      type: 'raw',
      dbName: 'contextualization',
      tableName: 'pump_area_matches',
      fromColumnKey: 'pumpExternalId',
      toColumnKey: 'areaExternalId',
    },
    errorMessage: null,
    ...step.with,
  }
}
