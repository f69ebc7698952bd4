import { Type } from 'typebox'
import { JOB_ID_PATTERN } from '../../src/cdf/job-id.ts'
import { COMMON_RESPONSE_HEADERS, problemResponses } from '../problem-responses.ts'
import { EXAMPLE_JOB_ID, JOB_QUALITY_EXAMPLES } from './quality-examples.ts'

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
    description: 'Seconds until the next poll makes sense; absent when the job is done.',
  },
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
  ].join('\n'),
  params: Type.Object({
    jobId: Type.String({
      pattern: JOB_ID_PATTERN,
      maxLength: 36,
      description:
        'A UUID in any case, or a decimal integer from 0 to 9223372036854775807 without leading zeros.',
      examples: [EXAMPLE_JOB_ID],
    }),
  }),
  headers: Type.Object({
    'if-none-match': Type.Optional(
      Type.String({
        description: 'An ETag that you have: if it is still right, the answer is 304.',
      }),
    ),
    'x-request-id': Type.Optional(
      Type.String({
        description:
          'Your id for this request, 1–64 of A–Z a–z 0–9 . _ -; found in the answer, the log and at CDF.',
      }),
    ),
    traceparent: Type.Optional(
      Type.String({ description: 'W3C trace context; continued to CDF.' }),
    ),
  }),
  response: {
    200: {
      description: 'The job.',
      headers: cacheHeaders,
      content: {
        'application/json': { schema: Type.Ref('JobQuality'), examples: JOB_QUALITY_EXAMPLES },
      },
    },
    304: { description: 'The job is as your ETag says.', type: 'null', headers: cacheHeaders },
    ...problemResponses(
      'invalid-job-id',
      'invalid-request',
      'unauthenticated',
      'forbidden',
      'job-not-found',
      'method-not-allowed',
      'uri-too-long',
      'too-many-requests',
      'headers-too-large',
      'internal-error',
      'upstream-rejected',
      'upstream-auth-failed',
      'upstream-forbidden',
      'upstream-invalid-response',
      'upstream-error',
      'identity-provider-rejected',
      'identity-provider-unavailable',
      'caller-keys-unavailable',
      'upstream-throttled',
      'upstream-unavailable',
      'overloaded',
      'upstream-timeout',
    ),
  },
}
