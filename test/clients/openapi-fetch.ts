/** The code of a caller that uses openapi-typescript and openapi-fetch. It must compile without changes. */
import createClient from 'openapi-fetch'
import type { components, paths } from './generated/openapi-fetch.ts'

type Problem = components['schemas']['Problem']
type ProblemCode = components['schemas']['ProblemCode']
type JobQuality = components['schemas']['JobQuality']
type JobStatus = components['schemas']['JobStatus']

const [baseUrl = '', token = '', jobId = '', unknownJobId = ''] = process.argv.slice(2)
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })

/** Describes a job for people. */
function describe({ status, scores, errorMessage }: JobQuality): string {
  switch (status) {
    case 'Failed':
      return errorMessage ?? 'failed'
    case 'Completed':
      return typeof scores?.qualityPercent === 'number'
        ? `${scores.qualityPercent.toFixed(2)} %`
        : 'no score'
    // A later version may send a status that this code does not know.
    default:
      return 'not done'
  }
}

/** Describes a problem for people. */
function describeProblem({ code, status, retryAfterSeconds }: Problem): string {
  return code === 'job-not-found' ? `no such job (${status})` : `again in ${retryAfterSeconds} s`
}

/** Incorrect uses of the contract, which must not compile. */
export function incorrectUses(quality: JobQuality, problem: Problem): unknown[] {
  return [
    // @ts-expect-error: a job has no scores before it is Completed.
    quality.scores.qualityPercent,
    // @ts-expect-error: a score may be missing.
    quality.scores?.qualityPercent.toFixed(2),
    // @ts-expect-error: not one of the known statuses.
    'Done' satisfies JobStatus,
    // @ts-expect-error: not one of the known codes.
    'no-such-job' satisfies ProblemCode,
    // @ts-expect-error: not every problem has this member.
    problem.retryAfterSeconds.toFixed(),
    // @ts-expect-error: no such member.
    quality.percent,
    // @ts-expect-error: no such route.
    client.GET('/jobs'),
    // @ts-expect-error: job ids are an array.
    client.GET('/jobs/quality', { params: { query: { jobId: 'A,B' } } }),
  ]
}

const read = await client.GET('/jobs/{jobId}/quality', { params: { path: { jobId } } })
const etag = read.response.headers.get('etag') ?? ''
const again = await client.GET('/jobs/{jobId}/quality', {
  params: { path: { jobId }, header: { 'if-none-match': etag } },
})
const unknown = await client.GET('/jobs/{jobId}/quality', {
  params: { path: { jobId: unknownJobId } },
})
const batch = await client.GET('/jobs/quality', {
  params: { query: { jobId: [jobId, unknownJobId] } },
})

console.log(
  JSON.stringify({
    read: read.data && describe(read.data),
    again: again.response.status,
    unknown: unknown.error && describeProblem(unknown.error),
    batch: batch.data?.items.map(
      ({ quality, problem }) =>
        (quality && describe(quality)) ?? (problem && describeProblem(problem)),
    ),
  }),
)
