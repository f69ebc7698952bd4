import { JOB_ID_PATTERN } from '../../src/cdf/job-id.ts'
import { EXAMPLE_REQUEST_ID } from '../problem-responses.ts'
import { MAX_JOBS } from './job-id-validator.ts'
import { EXAMPLE_ETAG, EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID } from './quality-examples.ts'

const JOB_ID = {
  type: 'string',
  pattern: JOB_ID_PATTERN,
  maxLength: 36,
  description:
    'A UUID in any case, or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
}

/** One job, in the path. */
export const JOB_PATH = {
  type: 'object',
  required: ['jobId'],
  properties: { jobId: { ...JOB_ID, examples: [EXAMPLE_JOB_ID] } },
}

/** Several jobs, in the query. */
export const JOBS_QUERY = {
  type: 'object',
  required: ['jobId'],
  properties: {
    jobId: {
      type: 'array',
      items: JOB_ID,
      minItems: 1,
      maxItems: MAX_JOBS,
      description: 'Once for each job: `jobId=A&jobId=B`. Duplicates are folded.',
      examples: [[EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID]],
    },
  },
}

const HEADERS = {
  'if-none-match': {
    type: 'string',
    description: 'An ETag that you have: if it is still right, the answer is 304.',
    examples: [EXAMPLE_ETAG],
  },
  prefer: {
    type: 'string',
    description: '`wait=N`: wait for a change for up to N seconds, 1 to 25 (RFC 7240).',
    examples: ['wait=25'],
  },
  'last-event-id': {
    type: 'string',
    description: 'The id that you were last told; an EventSource sends it when it comes back.',
    examples: [EXAMPLE_ETAG],
  },
  'x-request-id': {
    type: 'string',
    description:
      'Your id for this request, 1–64 of A–Z a–z 0–9 . _ -; found in the answer, the log and at CDF.',
    examples: [EXAMPLE_REQUEST_ID],
  },
  traceparent: {
    type: 'string',
    description: 'W3C trace context; continued to CDF.',
    examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  },
}

/** What a caller may say in headers: these, and what finds a request again. */
export function requestHeaders(...names: (keyof typeof HEADERS)[]) {
  const all = [...names, 'x-request-id', 'traceparent'] as const
  return {
    type: 'object',
    properties: Object.fromEntries(all.map((name) => [name, HEADERS[name]])),
  }
}
