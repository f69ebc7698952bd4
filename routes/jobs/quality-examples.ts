import type { JobQuality } from '../../src/jobs/job-quality.ts'

/** The job of the examples. */
export const EXAMPLE_JOB_ID = '6f1c2a34-8b0e-4d57-9f2c-1a7be0c94d21'

const completed: JobQuality = {
  jobId: EXAMPLE_JOB_ID,
  status: 'Completed',
  done: true,
  advancedJoinExternalId: 'pump-to-area-direct',
  matcher: {
    type: 'raw',
    dbName: 'contextualization',
    tableName: 'pump_area_matches',
    fromColumnKey: 'pumpExternalId',
    toColumnKey: 'areaExternalId',
  },
  scores: { qualityPercent: 87.5, confidencePercent: 62.31, contextualizationPercent: 71.04 },
  errorMessage: null,
  createdAt: '2026-01-07T10:00:00.000Z',
  startedAt: '2026-01-07T10:00:04.210Z',
  statusChangedAt: '2026-01-07T10:01:36.155Z',
}
const running: JobQuality = {
  ...completed,
  status: 'Running',
  done: false,
  scores: null,
  statusChangedAt: '2026-01-07T10:00:04.210Z',
}

/** One example for each state of a job. */
export const JOB_QUALITY_EXAMPLES: Record<string, { summary: string; value: JobQuality }> = {
  completed: { summary: 'Completed', value: completed },
  completedWithoutScores: {
    summary: 'Completed, but CDF gave no score',
    value: {
      ...completed,
      scores: { qualityPercent: null, confidencePercent: null, contextualizationPercent: null },
    },
  },
  failed: {
    summary: 'Failed',
    value: {
      ...completed,
      status: 'Failed',
      scores: null,
      errorMessage: "Could not read Raw table 'pump_area_matches' in database 'contextualization'.",
      statusChangedAt: '2026-01-07T10:00:09.120Z',
    },
  },
  queued: {
    summary: 'Queued',
    value: {
      ...running,
      status: 'Queued',
      startedAt: null,
      statusChangedAt: '2026-01-07T10:00:00.000Z',
    },
  },
  running: { summary: 'Running', value: running },
  unknown: {
    summary: 'In a state that this service does not know',
    value: { ...running, status: 'Unknown' },
  },
}
