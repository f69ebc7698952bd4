import {
  JOB_EVENTS_EXAMPLES,
  JOB_QUALITY_EXAMPLES,
  JOB_QUALITY_LIST_EXAMPLES,
} from './job-examples.ts'
import { JOB_PATH, JOBS_QUERY, requestHeaders } from './job-parameters.ts'
import type { Operations } from './operation.ts'
import { type ProblemResponse, problemResponses } from './problem-responses.ts'
import { type ResponseHeader, responseHeaders, SUCCESS_HEADERS } from './response-headers.ts'

const CACHE_HEADERS = [
  'etag',
  'cache-status',
  'age',
  'retry-after',
] as const satisfies ResponseHeader[]
const JOB_HEADERS = responseHeaders(...CACHE_HEADERS, 'preference-applied', ...SUCCESS_HEADERS)
const LIST_HEADERS = responseHeaders(...CACHE_HEADERS, ...SUCCESS_HEADERS)

/** Problems that occur before a job is read. */
const REQUEST_PROBLEMS = [
  'Unauthenticated',
  'Forbidden',
  'MethodNotAllowed',
  'TooManyRequests',
  'HeadersTooLarge',
  'InternalError',
] as const satisfies ProblemResponse[]

const REPEATED_PARAMETER =
  'Repeat the parameter for each job: `jobId=A&jobId=B`. Other forms, such as `jobId[]=A` or `jobId=A,B`, get a 400; axios sends the right one with `paramsSerializer: { indexes: null }`. A URL with 100 UUIDs has about 4,400 characters. This service accepts it; if a proxy in front answers 414, send fewer ids in one request.'

const streamUsage = (path: string) =>
  [
    'Swagger UI cannot show a stream. In a shell, `curl -N` shows each event as it arrives:',
    '',
    '```',
    `curl -N -H "Authorization: Bearer $TOKEN" 'https://quality.example${path}'`,
    '```',
    '',
    "A browser's EventSource cannot send a token; use `fetch` and a parser of event streams. Tell events apart by their name, and skip those with a name that you do not know.",
  ].join('\n')

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
      'The stream ends when the states of all jobs are final, when your token expires or the issuer withdraws its key, and when the instance shuts down.',
    ].join('\n'),
    headers: responseHeaders(...SUCCESS_HEADERS),
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
    headers: responseHeaders(...SUCCESS_HEADERS),
  },
}

/** The operations of `routes/jobs/`. */
export const JOB_OPERATIONS: Operations = {
  'GET /jobs/:jobId/quality': {
    operationId: 'getJobQuality',
    tags: ['jobs'],
    summary: 'The quality of one contextualization job',
    description: [
      'The state of an estimate quality job of advanced joins and, when it is Completed, its scores.',
      "A failed job is a 200 with status Failed and CDF's errorMessage, if there is one. A missing score is null, never 0.",
      'Done jobs come from the cache. Other jobs are fresh for about a second, so that concurrent callers share one read of CDF.',
      'With `Prefer: wait=N` the response is sent as soon as it differs from `If-None-Match` or, without that header, as soon as the job is done; after N seconds at the latest. Set the timeout of your client to more than N seconds.',
      'A 304 is a success: the job is as you know it. Many clients report it as an error, such as axios unless `validateStatus` allows it.',
    ].join('\n\n'),
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
  },

  'GET /jobs/quality': {
    operationId: 'listJobQualities',
    tags: ['jobs'],
    summary: 'The quality of up to 100 contextualization jobs',
    description: [
      'Each job with its quality or its problem, in the order of the request. A problem of one job does not affect the others: an invalid job id gets the problem `invalid-job-id`.',
      REPEATED_PARAMETER,
    ].join('\n\n'),
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
  },

  'GET /jobs/:jobId/quality/events': {
    operationId: 'streamJobQuality',
    tags: ['jobs'],
    summary: 'The states of one job as server-sent events',
    description: [
      'Each event holds a JobQuality or a JobProblem. The stream ends when the job is done or its problem is permanent.',
      streamUsage('/jobs/{jobId}/quality/events'),
    ].join('\n\n'),
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
  },

  'GET /jobs/quality/events': {
    operationId: 'streamJobQualities',
    tags: ['jobs'],
    summary: 'The states of up to 100 jobs as server-sent events',
    description: [
      'Each event holds a JobQuality or a JobProblem with the id of the job. The stream ends when the states of all jobs are final. An invalid job id gets the problem `invalid-job-id`.',
      REPEATED_PARAMETER,
      streamUsage('/jobs/quality/events?jobId=A&jobId=B'),
    ].join('\n\n'),
    querystring: JOBS_QUERY,
    headers: requestHeaders('last-event-id'),
    response: {
      ...eventResponses,
      ...problemResponses('InvalidRequest', ...REQUEST_PROBLEMS, 'CallerKeysUnavailable'),
    },
  },
}
