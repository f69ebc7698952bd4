import { MAX_JOBS } from '../../../routes/jobs/job-id-validator.ts'
import { JOB_ID_PATTERN } from '../../../src/cdf/job-id.ts'
import { EXAMPLE_ETAG, EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID } from './job-examples.ts'
import { EXAMPLE_REQUEST_ID } from './problem-responses.ts'

const JOB_ID = {
  type: 'string',
  pattern: JOB_ID_PATTERN,
  maxLength: 36,
  description:
    'A UUID in any case, or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
}

/** The path parameters of one job. */
export const JOB_PATH = {
  type: 'object',
  required: ['jobId'],
  properties: { jobId: { ...JOB_ID, examples: [EXAMPLE_JOB_ID] } },
}

/** The query parameters of several jobs. */
export const JOBS_QUERY = {
  type: 'object',
  required: ['jobId'],
  properties: {
    jobId: {
      type: 'array',
      items: JOB_ID,
      minItems: 1,
      maxItems: MAX_JOBS,
      description: 'Repeat it for each job: `jobId=A&jobId=B`. Duplicates are removed.',
      examples: [[EXAMPLE_JOB_ID, EXAMPLE_UNKNOWN_JOB_ID]],
    },
  },
}

const HEADERS = {
  'if-none-match': {
    type: 'string',
    description: 'The ETag of a stored response. If it still matches, the response is 304.',
    examples: [EXAMPLE_ETAG],
  },
  prefer: {
    type: 'string',
    description: '`wait=N`: wait for a change for up to N seconds, 1 to 25 (RFC 7240).',
    examples: ['wait=25'],
  },
  'last-event-id': {
    type: 'string',
    description: 'The id of the last received event. An EventSource sends it when it reconnects.',
    examples: [EXAMPLE_ETAG],
  },
  'x-request-id': {
    type: 'string',
    description:
      'Your id for the request: 1–64 characters of A–Z a–z 0–9 . _ -. It appears in the response, in the log and in CDF.',
    examples: [EXAMPLE_REQUEST_ID],
  },
  traceparent: {
    type: 'string',
    description: 'W3C trace context. The request to CDF continues the trace.',
    examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  },
}

/** The `headers` of a request schema: the given ones, the request id and the trace context. */
export function requestHeaders(...names: (keyof typeof HEADERS)[]) {
  const all = [...names, 'x-request-id', 'traceparent'] as const
  return {
    type: 'object',
    properties: Object.fromEntries(all.map((name) => [name, HEADERS[name]])),
  }
}
