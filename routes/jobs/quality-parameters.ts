import { Type } from 'typebox'
import { JOB_ID_PATTERN } from '../../src/cdf/job-id.ts'
import { EXAMPLE_REQUEST_ID } from '../problem-responses.ts'
import { MAX_JOBS } from './job-id-validator.ts'
import { EXAMPLE_ETAG, EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID } from './quality-examples.ts'

const jobId = {
  pattern: JOB_ID_PATTERN,
  maxLength: 36,
  description:
    'A UUID in any case, or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
}

/** One job, in the path. */
export const JobPath = Type.Object({
  jobId: Type.String({ ...jobId, examples: [EXAMPLE_JOB_ID] }),
})

/** Several jobs, in the query. */
export const JobsQuery = Type.Object({
  jobId: Type.Array(Type.String(jobId), {
    minItems: 1,
    maxItems: MAX_JOBS,
    description: 'Once for each job: `jobId=A&jobId=B`. Duplicates are folded.',
    examples: [[EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID]],
  }),
})

/** For who has seen an answer already. */
export const ifNoneMatch = {
  'if-none-match': Type.Optional(
    Type.String({
      description: 'An ETag that you have: if it is still right, the answer is 304.',
      examples: [EXAMPLE_ETAG],
    }),
  ),
}

/** For who wants to wait. */
export const prefer = {
  prefer: Type.Optional(
    Type.String({
      description: '`wait=N`: wait for a change for up to N seconds, 1 to 25 (RFC 7240).',
      examples: ['wait=25'],
    }),
  ),
}

/** For who comes back to a stream. */
export const lastEventId = {
  'last-event-id': Type.Optional(
    Type.String({
      description: 'The id that you were last told; an EventSource sends it when it comes back.',
      examples: [EXAMPLE_ETAG],
    }),
  ),
}

/** For who wants to find a request again. */
export const tracing = {
  'x-request-id': Type.Optional(
    Type.String({
      description:
        'Your id for this request, 1–64 of A–Z a–z 0–9 . _ -; found in the answer, the log and at CDF.',
      examples: [EXAMPLE_REQUEST_ID],
    }),
  ),
  traceparent: Type.Optional(
    Type.String({
      description: 'W3C trace context; continued to CDF.',
      examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    }),
  ),
}
