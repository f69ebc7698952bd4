import type { ProblemResponse } from '../problem-responses.ts'
import { problemResponses } from '../problem-responses.ts'
import type { ResponseHeader } from '../response-headers.ts'
import { responseHeaders } from '../response-headers.ts'
import {
  JOB_EVENTS_EXAMPLES,
  JOB_QUALITY_EXAMPLES,
  JOB_QUALITY_LIST_EXAMPLES,
} from './quality-examples.ts'
import { JOB_PATH, JOBS_QUERY, requestHeaders } from './quality-parameters.ts'

const CACHE_HEADERS = [
  'cache-control',
  'etag',
  'cache-status',
  'age',
  'retry-after',
] as const satisfies ResponseHeader[]
const JOB_HEADERS = responseHeaders(...CACHE_HEADERS, 'preference-applied')
const LIST_HEADERS = responseHeaders(...CACHE_HEADERS)

/** What can go wrong before any job is looked at. */
const REQUEST_PROBLEMS = [
  'InvalidJobRequest',
  'Unauthenticated',
  'Forbidden',
  'MethodNotAllowed',
  'TooManyRequests',
  'HeadersTooLarge',
  'InternalError',
] as const satisfies ProblemResponse[]

/** The contract of `GET /jobs/{jobId}/quality`. */
export const jobQualityRouteSchema = {
  operationId: 'getJobQuality',
  tags: ['jobs'],
  summary: 'The quality of one contextualization job',
  description: [
    'The state of an estimate quality job of advanced joins and, once it is Completed, its scores.',
    'A failed job is a 200 with status Failed and its errorMessage. A missing score is null, never 0.',
    'Done jobs are answered from the cache; others are fresh for about a second, so that polling together costs CDF one read.',
    'With `Prefer: wait=N` the answer comes as soon as it differs from `If-None-Match` or, without it, as soon as the job is done, and after N seconds at the latest.',
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
    304: { description: 'The job is as your ETag says.', type: 'null', headers: JOB_HEADERS },
    ...problemResponses(
      ...REQUEST_PROBLEMS,
      'UriTooLong',
      'JobNotFound',
      'UpstreamFailed',
      'JobUnavailable',
      'UpstreamTimeout',
    ),
  },
}

/** The contract of `GET /jobs/quality`. */
export const jobQualityListRouteSchema = {
  operationId: 'listJobQualities',
  tags: ['jobs'],
  summary: 'The quality of up to 100 contextualization jobs',
  description:
    'Each job with its quality or its problem, in the order asked. What becomes of one is no matter to the others.',
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
    304: { description: 'All is as your ETag says.', type: 'null', headers: LIST_HEADERS },
    ...problemResponses(...REQUEST_PROBLEMS, 'CallerKeysUnavailable'),
  },
}

const eventResponses = {
  200: {
    description: [
      'Server-sent events: one `status` or `problem` at once for each job and one for each change, and a comment line every 15 seconds.',
      'The stream ends when there is no more to tell of any job, when your token ends, and when this instance shuts down.',
    ].join('\n'),
    headers: responseHeaders('cache-control', 'x-accel-buffering'),
    content: {
      'text/event-stream': {
        schema: { $ref: 'JobEvent' },
        examples: JOB_EVENTS_EXAMPLES,
        'x-component': 'JobEvents',
      },
    },
  },
  204: {
    description: 'You know all there is: an EventSource does not come back.',
    type: 'null',
    headers: responseHeaders('cache-control'),
  },
}

/** The contract of `GET /jobs/{jobId}/quality/events`. */
export const jobEventsRouteSchema = {
  operationId: 'streamJobQuality',
  tags: ['jobs'],
  summary: 'What becomes of one job, as server-sent events',
  description:
    'Each event has a JobQuality or a JobProblem. Ends when the job is done, or when a problem will not pass.',
  params: JOB_PATH,
  headers: requestHeaders('last-event-id'),
  response: {
    ...eventResponses,
    ...problemResponses(...REQUEST_PROBLEMS, 'UriTooLong', 'CallerKeysUnavailable'),
  },
}

/** The contract of `GET /jobs/quality/events`. */
export const jobListEventsRouteSchema = {
  operationId: 'streamJobQualities',
  tags: ['jobs'],
  summary: 'What becomes of up to 100 jobs, as server-sent events',
  description:
    'Each event has a JobQuality or a JobProblem, and with it the id of the job. Ends when nothing more will be told of any job.',
  querystring: JOBS_QUERY,
  headers: requestHeaders('last-event-id'),
  response: {
    ...eventResponses,
    ...problemResponses(...REQUEST_PROBLEMS, 'CallerKeysUnavailable'),
  },
}
