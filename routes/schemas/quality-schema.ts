import type { ProblemResponse } from './problem-responses.ts'
import { problemResponses } from './problem-responses.ts'
import {
  JOB_EVENTS_EXAMPLES,
  JOB_QUALITY_EXAMPLES,
  JOB_QUALITY_LIST_EXAMPLES,
} from './quality-examples.ts'
import { JOB_PATH, JOBS_QUERY, requestHeaders } from './quality-parameters.ts'
import type { ResponseHeader } from './response-headers.ts'
import { responseHeaders } from './response-headers.ts'

const CACHE_HEADERS = [
  'cache-control',
  'etag',
  'cache-status',
  'age',
  'retry-after',
] as const satisfies ResponseHeader[]
const JOB_HEADERS = responseHeaders(...CACHE_HEADERS, 'preference-applied')
const LIST_HEADERS = responseHeaders(...CACHE_HEADERS)

/** Problems that occur before a job is read. */
const REQUEST_PROBLEMS = [
  'Unauthenticated',
  'Forbidden',
  'MethodNotAllowed',
  'TooManyRequests',
  'HeadersTooLarge',
  'InternalError',
] as const satisfies ProblemResponse[]

/** The schema of `GET /jobs/{jobId}/quality`. */
export const jobQualityRouteSchema = {
  operationId: 'getJobQuality',
  tags: ['jobs'],
  summary: 'The quality of one contextualization job',
  description: [
    'The state of an estimate quality job of advanced joins and, when it is Completed, its scores.',
    "A failed job is a 200 with status Failed and CDF's errorMessage, if there is one. A missing score is null, never 0.",
    'Done jobs come from the cache. Other jobs are fresh for about a second, so that concurrent callers share one read of CDF.',
    'With `Prefer: wait=N` the response is sent as soon as it differs from `If-None-Match` or, without that header, as soon as the job is done; after N seconds at the latest.',
  ].join('\n'),
  params: JOB_PATH,
  headers: requestHeaders('if-none-match', 'prefer'),
  response: {
    200: {
      description: 'The job.',
      headers: JOB_HEADERS,
      content: {
        'application/json': { schema: { $ref: 'JobQuality' }, examples: JOB_QUALITY_EXAMPLES },
      },
    },
    304: { description: 'The job has not changed.', type: 'null', headers: JOB_HEADERS },
    ...problemResponses(
      'InvalidJobRequest',
      ...REQUEST_PROBLEMS,
      'UriTooLong',
      'JobNotFound',
      'UpstreamFailed',
      'JobUnavailable',
      'UpstreamTimeout',
    ),
  },
}

/** The schema of `GET /jobs/quality`. */
export const jobQualityListRouteSchema = {
  operationId: 'listJobQualities',
  tags: ['jobs'],
  summary: 'The quality of up to 100 contextualization jobs',
  description:
    'Each job with its quality or its problem, in the order of the request. A problem of one job does not affect the others: an id that is no job id gets the problem `invalid-job-id`.',
  querystring: JOBS_QUERY,
  headers: requestHeaders('if-none-match'),
  response: {
    200: {
      description: 'The jobs.',
      headers: LIST_HEADERS,
      content: {
        'application/json': {
          schema: { $ref: 'JobQualityList' },
          examples: JOB_QUALITY_LIST_EXAMPLES,
        },
      },
    },
    304: { description: 'No job has changed.', type: 'null', headers: LIST_HEADERS },
    ...problemResponses('InvalidRequest', ...REQUEST_PROBLEMS, 'CallerKeysUnavailable'),
  },
}

/** What generators that know event streams make of the data of one event; all others get the text. */
const EVENT_STREAM_SCHEMA = {
  anyOf: [
    {
      type: 'string',
      contentMediaType: 'text/event-stream',
      contentSchema: { $ref: 'JobEvent' },
      description: 'The stream as sent.',
    },
    { $ref: 'JobQuality' },
    { $ref: 'JobProblem' },
  ],
  description:
    'Server-sent events. A client that parses the stream gets the data of each event: a JobQuality or a JobProblem.',
}

const eventResponses = {
  200: {
    description: [
      'Server-sent events: for each job one `status` or `problem` at the start and one for each change, and a comment every 15 seconds.',
      'The stream ends when the states of all jobs are final, when your token expires, and when the instance shuts down.',
    ].join('\n'),
    headers: responseHeaders('cache-control', 'x-accel-buffering'),
    content: {
      'text/event-stream': {
        schema: EVENT_STREAM_SCHEMA,
        examples: JOB_EVENTS_EXAMPLES,
        'x-component': 'JobEvents',
      },
    },
  },
  204: {
    description: 'You already have the final state of all jobs. An EventSource does not reconnect.',
    type: 'null',
    headers: responseHeaders('cache-control'),
  },
}

/** The schema of `GET /jobs/{jobId}/quality/events`. */
export const jobEventsRouteSchema = {
  operationId: 'streamJobQuality',
  tags: ['jobs'],
  summary: 'The states of one job as server-sent events',
  description:
    'Each event holds a JobQuality or a JobProblem. The stream ends when the job is done or its problem is permanent.',
  params: JOB_PATH,
  headers: requestHeaders('last-event-id'),
  response: {
    ...eventResponses,
    ...problemResponses(
      'InvalidJobRequest',
      ...REQUEST_PROBLEMS,
      'UriTooLong',
      'CallerKeysUnavailable',
    ),
  },
}

/** The schema of `GET /jobs/quality/events`. */
export const jobListEventsRouteSchema = {
  operationId: 'streamJobQualities',
  tags: ['jobs'],
  summary: 'The states of up to 100 jobs as server-sent events',
  description:
    'Each event holds a JobQuality or a JobProblem with the id of the job. The stream ends when the states of all jobs are final.',
  querystring: JOBS_QUERY,
  headers: requestHeaders('last-event-id'),
  response: {
    ...eventResponses,
    ...problemResponses('InvalidRequest', ...REQUEST_PROBLEMS, 'CallerKeysUnavailable'),
  },
}
