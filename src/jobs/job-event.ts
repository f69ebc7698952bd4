import type { XStatic } from 'typebox/schema'
import { PROBLEM_SCHEMA } from '../problem.ts'

/** What a stream says of a job that it cannot tell the state of. */
export const JOB_PROBLEM_SCHEMA = {
  type: 'object',
  required: [...PROBLEM_SCHEMA.required, 'jobId'],
  properties: {
    ...PROBLEM_SCHEMA.properties,
    jobId: { type: 'string', description: 'The job that it concerns, in canonical form.' },
  },
  $id: 'JobProblem',
  additionalProperties: false,
  description: 'A problem (RFC 9457) of one of the jobs of a stream.',
} as const

/** A problem of one job. */
export type JobProblem = XStatic<typeof JOB_PROBLEM_SCHEMA>

const jsonOf = (name: string) => ({
  type: 'string',
  contentMediaType: 'application/json',
  contentSchema: { $ref: name },
  description: `A ${name} on one line.`,
})

/** One server-sent event of a stream, as an EventSource dispatches it. */
export const JOB_EVENT_SCHEMA = {
  anyOf: [
    {
      type: 'object',
      required: ['event', 'id', 'data'],
      properties: {
        event: { type: 'string', const: 'status' },
        id: { type: 'string', description: 'The ETag of the JobQuality.' },
        data: jsonOf('JobQuality'),
      },
      $id: 'JobStatusEvent',
      description: 'The state of a job: at once, and at each change.',
    },
    {
      type: 'object',
      required: ['event', 'data'],
      properties: {
        event: { type: 'string', const: 'problem' },
        id: {
          type: 'string',
          description: 'Of a problem that does not pass, something to come back with.',
        },
        data: jsonOf('JobProblem'),
      },
      $id: 'JobProblemEvent',
      description:
        'Why the state of a job cannot be told. A problem with retryAfterSeconds may pass; any other one ends what is told of the job.',
    },
  ],
  $id: 'JobEvent',
  description: 'One server-sent event.',
}
