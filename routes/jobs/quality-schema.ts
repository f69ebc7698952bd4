import { Type } from 'typebox'
import { JOB_ID_PATTERN } from '../../src/cdf/job-id.ts'
import type { ProblemCode } from '../../src/problem.ts'
import { COMMON_RESPONSE_HEADERS, problemResponses } from '../problem-responses.ts'
import { MAX_JOBS } from './job-id-validator.ts'
import {
  EXAMPLE_JOB_ID,
  JOB_EVENTS_EXAMPLES,
  JOB_QUALITY_EXAMPLES,
  JOB_QUALITY_LIST_EXAMPLES,
} from './quality-examples.ts'

const cacheHeaders = {
  ...COMMON_RESPONSE_HEADERS,
  etag: { type: 'string', description: 'Strong entity tag of the body, for If-None-Match.' },
  'cache-control': {
    type: 'string',
    description: 'private, no-cache: keep it, but ask again with If-None-Match.',
  },
  'cache-status': {
    type: 'string',
    description:
      'How the cache took part (RFC 9211): hit, fwd=miss or fwd=stale, and whether the upstream call was shared (collapsed).',
  },
  age: {
    type: 'integer',
    description: 'Seconds since CDF said so, where the answer came from the cache.',
  },
  vary: { type: 'string', description: 'Authorization; with CORS also Origin.' },
  'retry-after': {
    type: 'integer',
    description:
      'Seconds until the next poll makes sense; absent when nothing will change any more.',
  },
}
const waitHeaders = {
  'preference-applied': {
    type: 'string',
    description: 'wait=N, with the value that was applied; absent if you did not ask to wait.',
  },
}

const jobId = Type.String({
  pattern: JOB_ID_PATTERN,
  maxLength: 36,
  description:
    'A UUID in any case, or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
  examples: [EXAMPLE_JOB_ID],
})
const path = Type.Object({ jobId })
const query = Type.Object({
  jobId: Type.Array(jobId, {
    minItems: 1,
    maxItems: MAX_JOBS,
    description: 'Once for each job: `jobId=A&jobId=B`. Duplicates are folded.',
  }),
})

const ifNoneMatch = Type.Optional(
  Type.String({
    description: 'An ETag that you have: if it is still right, the answer is 304.',
  }),
)
const tracing = {
  'x-request-id': Type.Optional(
    Type.String({
      description:
        'Your id for this request, 1–64 of A–Z a–z 0–9 . _ -; found in the answer, the log and at CDF.',
    }),
  ),
  traceparent: Type.Optional(Type.String({ description: 'W3C trace context; continued to CDF.' })),
}
const eventHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      description: 'The id that you were last told; an EventSource sends it when it comes back.',
    }),
  ),
  ...tracing,
})

/** What can go wrong before any job is looked at … */
const requestProblems = [
  'invalid-job-id',
  'invalid-request',
  'unauthenticated',
  'forbidden',
  'method-not-allowed',
  'uri-too-long',
  'too-many-requests',
  'headers-too-large',
  'internal-error',
  'caller-keys-unavailable',
] as const satisfies ProblemCode[]
/** … and what can come of one. */
const jobProblems = [
  'job-not-found',
  'upstream-rejected',
  'upstream-auth-failed',
  'upstream-forbidden',
  'upstream-invalid-response',
  'upstream-error',
  'identity-provider-rejected',
  'identity-provider-unavailable',
  'upstream-throttled',
  'upstream-unavailable',
  'overloaded',
  'upstream-timeout',
] as const satisfies ProblemCode[]

const eventResponses = {
  200: {
    description: [
      'Server-sent events, one `status` at once for each job and one for each change; a comment line every 15 seconds.',
      '`status` has a JobQuality as data and its ETag as id. `problem` has a Problem with its jobId: one with retryAfterSeconds may pass, any other one ends what is told of the job.',
      'The stream ends when there is no more to tell of any job, when your token ends, and when this instance shuts down.',
    ].join('\n'),
    headers: COMMON_RESPONSE_HEADERS,
    content: {
      'text/event-stream': { schema: Type.String(), examples: JOB_EVENTS_EXAMPLES },
    },
  },
  204: {
    description: 'You know all there is: an EventSource does not come back.',
    type: 'null',
    headers: COMMON_RESPONSE_HEADERS,
  },
  ...problemResponses(...requestProblems),
}

/** The contract of `GET /jobs/{jobId}/quality`. */
export const jobQualityRouteSchema = {
  operationId: 'getJobQuality',
  tags: ['jobs'],
  summary: 'The quality of one contextualization job',
  security: [{ bearer: [] }],
  description: [
    'The state of an estimate quality job of advanced joins and, once it is Completed, its scores.',
    'A failed job is a 200 with status Failed and its errorMessage. A missing score is null, never 0.',
    'Done jobs are answered from the cache; others are fresh for about a second, so that polling together costs CDF one read.',
    'With `Prefer: wait=N` the answer comes as soon as it differs from `If-None-Match` or, without it, as soon as the job is done, and after N seconds at the latest.',
  ].join('\n'),
  params: path,
  headers: Type.Object({
    'if-none-match': ifNoneMatch,
    prefer: Type.Optional(
      Type.String({
        description: '`wait=N`: wait for a change for up to N seconds, 1 to 25 (RFC 7240).',
        examples: ['wait=25'],
      }),
    ),
    ...tracing,
  }),
  response: {
    200: {
      description: 'The job.',
      headers: { ...cacheHeaders, ...waitHeaders },
      content: {
        'application/json': { schema: Type.Ref('JobQuality'), examples: JOB_QUALITY_EXAMPLES },
      },
    },
    304: {
      description: 'The job is as your ETag says.',
      type: 'null',
      headers: { ...cacheHeaders, ...waitHeaders },
    },
    ...problemResponses(...requestProblems, ...jobProblems),
  },
}

/** The contract of `GET /jobs/quality`. */
export const jobQualityListRouteSchema = {
  operationId: 'listJobQualities',
  tags: ['jobs'],
  summary: 'The quality of up to 100 contextualization jobs',
  security: [{ bearer: [] }],
  description:
    'Each job with its quality or its problem, in the order asked. What becomes of one is no matter to the others.',
  querystring: query,
  headers: Type.Object({ 'if-none-match': ifNoneMatch, ...tracing }),
  response: {
    200: {
      description: 'The jobs.',
      headers: cacheHeaders,
      content: {
        'application/json': {
          schema: Type.Ref('JobQualityList'),
          examples: JOB_QUALITY_LIST_EXAMPLES,
        },
      },
    },
    304: { description: 'All is as your ETag says.', type: 'null', headers: cacheHeaders },
    ...problemResponses(...requestProblems),
  },
}

/** The contract of `GET /jobs/{jobId}/quality/events`. */
export const jobEventsRouteSchema = {
  operationId: 'streamJobQuality',
  tags: ['jobs'],
  summary: 'What becomes of one job, as server-sent events',
  security: [{ bearer: [] }],
  description: 'Ends when the job is done.',
  params: path,
  headers: eventHeaders,
  response: eventResponses,
}

/** The contract of `GET /jobs/quality/events`. */
export const jobListEventsRouteSchema = {
  operationId: 'streamJobQualities',
  tags: ['jobs'],
  summary: 'What becomes of up to 100 jobs, as server-sent events',
  security: [{ bearer: [] }],
  description: 'Ends when all jobs are done.',
  querystring: query,
  headers: eventHeaders,
  response: eventResponses,
}
