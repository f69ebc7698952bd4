import type { JobProblem } from '../../../src/jobs/job-event.ts'
import type { Describes } from './describes.ts'
import { PROBLEM_SCHEMA } from './problem.ts'

const { status: _, ...PROBLEM_MEMBERS } = PROBLEM_SCHEMA.properties

/** The schema of {@link JobProblem}. */
export const JOB_PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'detail', 'code', 'requestId', 'jobId'],
  properties: {
    ...PROBLEM_MEMBERS,
    jobId: {
      type: 'string',
      description:
        'The id of the job, in canonical form. An invalid job id is as it was sent, cut after 64 characters.',
    },
  },
  $id: 'JobProblem',
  additionalProperties: false,
  description: 'A problem (RFC 9457) of one job in a stream.',
} as const

true satisfies Describes<typeof JOB_PROBLEM_SCHEMA, JobProblem>

const jsonOf = (name: string) => ({
  type: 'string',
  contentMediaType: 'application/json',
  contentSchema: { $ref: name },
  description: `A ${name} as JSON on one line.`,
})

const EVENT_ID = {
  type: 'string',
  description:
    'Opaque. It stands for everything that the stream has sent so far. Send the last one as `Last-Event-ID` to resume.',
}

/** One server-sent event, as an EventSource dispatches it. */
export const JOB_EVENT_SCHEMA = {
  anyOf: [
    {
      type: 'object',
      required: ['event', 'id', 'data'],
      properties: {
        event: { type: 'string', const: 'status' },
        id: EVENT_ID,
        data: jsonOf('JobQuality'),
      },
      $id: 'JobStatusEvent',
      description: 'The state of a job: the first one, and each new one.',
    },
    {
      type: 'object',
      required: ['event', 'id', 'data'],
      properties: {
        event: { type: 'string', const: 'problem' },
        id: EVENT_ID,
        data: jsonOf('JobProblem'),
      },
      $id: 'JobProblemEvent',
      description:
        'The state of a job cannot be read. With `retryAfterSeconds` the problem is transient and the stream goes on; without it, this is the last event of the job.',
    },
    {
      type: 'object',
      required: ['event', 'data'],
      properties: {
        event: { type: 'string', not: { enum: ['status', 'problem'] } },
        data: { type: 'string' },
      },
      $id: 'OtherJobEvent',
      description: 'An event with another name. This version sends none; skip it.',
    },
  ],
  $id: 'JobEvent',
  description: 'One server-sent event.',
}
