import type { Static } from 'typebox'
import { Type } from 'typebox'
import { ProblemSchema } from '../problem.ts'

/** What a stream says of a job that it cannot tell the state of. */
export const JobProblemSchema = Type.Object(
  {
    ...ProblemSchema.properties,
    jobId: Type.String({ description: 'The job that it concerns, in canonical form.' }),
  },
  {
    $id: 'JobProblem',
    additionalProperties: false,
    description: 'A problem (RFC 9457) of one of the jobs of a stream.',
  },
)

/** A problem of one job. */
export type JobProblem = Static<typeof JobProblemSchema>

const jsonOf = (name: string) => ({
  contentMediaType: 'application/json',
  contentSchema: Type.Ref(name),
})

/** One server-sent event of a stream, as an EventSource dispatches it. */
export const JobEventSchema = Type.Union(
  [
    Type.Object(
      {
        event: Type.Literal('status'),
        id: Type.String({ description: 'The ETag of the JobQuality.' }),
        data: Type.String({ ...jsonOf('JobQuality'), description: 'A JobQuality on one line.' }),
      },
      {
        $id: 'JobStatusEvent',
        description: 'The state of a job: at once, and at each change.',
      },
    ),
    Type.Object(
      {
        event: Type.Literal('problem'),
        id: Type.Optional(
          Type.String({
            description: 'Of a problem that does not pass, something to come back with.',
          }),
        ),
        data: Type.String({ ...jsonOf('JobProblem'), description: 'A JobProblem on one line.' }),
      },
      {
        $id: 'JobProblemEvent',
        description:
          'Why the state of a job cannot be told. A problem with retryAfterSeconds may pass; any other one ends what is told of the job.',
      },
    ),
  ],
  { $id: 'JobEvent', description: 'One server-sent event.' },
)
