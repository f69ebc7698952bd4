import { entityTagFor } from '../../../src/http/entity-tag.ts'
import { toCachedResponse } from '../../../src/jobs/cached-response.ts'
import { type JobProblem, toJobProblem } from '../../../src/jobs/job-event.ts'
import type { JobQualityList } from '../../../src/jobs/job-list.ts'
import type { JobQuality } from '../../../src/jobs/job-quality.ts'
import { ProblemError } from '../../../src/problems/problem.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_UPSTREAM_REQUEST_ID } from './problem-responses.ts'

/** The job id in examples: that of a Completed job of the demo, so that a first try in Swagger UI succeeds. */
export const EXAMPLE_JOB_ID = '11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
/** The id of an unknown job in examples. */
export const EXAMPLE_UNKNOWN_JOB_ID = '99999999-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
/** The entity tag in examples. */
export const EXAMPLE_ETAG = '"oCJG7fQnNkLVB4Dl0MyjIB"'

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

/** One example for each status. */
export const JOB_QUALITY_EXAMPLES: Record<string, { summary: string; value: JobQuality }> = {
  completed: { summary: 'Completed', value: completed },
  completedWithoutScores: {
    summary: 'Completed without scores',
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
    summary: 'A status that CDF introduced later',
    value: { ...running, status: 'Unknown' },
  },
}

const unknownJob = new ProblemError('job-not-found', {
  upstream: { status: 404, requestId: EXAMPLE_UPSTREAM_REQUEST_ID },
}).toProblem(EXAMPLE_REQUEST_ID)

const invalidId = new ProblemError('invalid-job-id').toProblem(EXAMPLE_REQUEST_ID)

/** A list with a quality and problems. */
export const JOB_QUALITY_LIST_EXAMPLES: Record<string, { summary: string; value: JobQualityList }> =
  {
    mixed: {
      summary: 'A known job, an unknown job, and an invalid job id',
      value: {
        items: [
          { jobId: EXAMPLE_JOB_ID, quality: completed, problem: null },
          { jobId: EXAMPLE_UNKNOWN_JOB_ID, quality: null, problem: unknownJob },
          { jobId: '0012', quality: null, problem: invalidId },
        ],
      },
    },
  }

const statusEvent = (quality: JobQuality) => {
  const { body, etag } = toCachedResponse(quality, 0, 0, 0)
  return `event: status\ndata: ${body}\nid: ${etag}\n\n`
}
const problemEvent = (problem: JobProblem) => {
  const id = entityTagFor(`${problem.jobId} "${problem.code}"`)
  return `event: problem\ndata: ${JSON.stringify(problem)}\nid: ${id}\n\n`
}

/** A comment, then the first event with the reconnection time. */
const STREAM_START = ': keep-alive\nretry: 2000\n'

/** Event streams as sent. */
export const JOB_EVENTS_EXAMPLES: Record<string, { summary: string; value: string }> = {
  untilDone: {
    summary: 'A job that is running, then Completed',
    value: STREAM_START + statusEvent(running) + statusEvent(completed),
  },
  noSuchJob: {
    summary: 'An unknown job',
    value: STREAM_START + problemEvent(toJobProblem(unknownJob, EXAMPLE_UNKNOWN_JOB_ID)),
  },
}
