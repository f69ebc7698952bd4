/** From when on a job is in which state. */
export interface JobStep {
  /** Milliseconds after the job was added. */
  afterMs: number
  /** CDF's word. */
  status: string
  /** Members of the body that the state adds, such as scores or an error message. */
  with?: Record<string, unknown>
}

/** A job and what becomes of it. */
export interface SimulatedJob {
  jobId: string
  advancedJoinExternalId: string
  /** In the order of time; the first one at 0. */
  steps: readonly [JobStep, ...JobStep[]]
}

/** Scores as CDF gives them. */
export const SCORES = {
  qualityScorePercent: 87.5,
  confidencePercent: 62.31,
  contextualizationScorePercent: 71.04,
}

/** A job that is in one state for good. */
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
 * The body that CDF gives for a job.
 * @param createdMs when the job was added, milliseconds since the epoch
 * @param nowMs the time of the request
 */
export function bodyOf(
  job: SimulatedJob,
  createdMs: number,
  nowMs: number,
): Record<string, unknown> {
  const reached = job.steps.filter(({ afterMs }) => createdMs + afterMs <= nowMs)
  const step = reached.at(-1) ?? job.steps[0]
  const started = job.steps.find(({ status }) => status !== 'Queued')
  return {
    jobId: job.jobId,
    status: step.status,
    createdTime: createdMs,
    startTime: started && reached.includes(started) ? createdMs + started.afterMs : 0,
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
