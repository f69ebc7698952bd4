/** The code of a caller that uses a client of @hey-api/openapi-ts. It must compile without changes. */
import { createClient } from './generated/hey-api/client/index.ts'
import type { JobQuality, JobStatus, Problem, ProblemCode } from './generated/hey-api/index.ts'
import { getJobQuality, listJobQualities, streamJobQualities } from './generated/hey-api/index.ts'

const [baseUrl = '', token = '', jobId = '', unknownJobId = ''] = process.argv.slice(2)
const client = createClient({ baseUrl, auth: token })

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
    // @ts-expect-error: the job id is missing.
    getJobQuality({ client }),
    // @ts-expect-error: job ids are an array.
    listJobQualities({ client, query: { jobId: 'A,B' } }),
  ]
}

const read = await getJobQuality({ client, path: { jobId } })
const etag = read.response?.headers.get('etag') ?? ''
const again = await getJobQuality({
  client,
  path: { jobId },
  headers: { 'if-none-match': etag },
})
const unknown = await getJobQuality({ client, path: { jobId: unknownJobId } })
const batch = await listJobQualities({ client, query: { jobId: [jobId, unknownJobId] } })

const { stream } = await streamJobQualities({ client, query: { jobId: [jobId, unknownJobId] } })
const followed: string[] = []
for await (const event of stream) {
  if (typeof event !== 'object') continue
  followed.push('code' in event ? event.code : describe(event))
}

console.log(
  JSON.stringify({
    read: read.data && describe(read.data),
    again: again.response?.status,
    unknown: unknown.error && describeProblem(unknown.error),
    followed: followed.sort(),
    batch: batch.data?.items.map(
      ({ quality, problem }) =>
        (quality && describe(quality)) ?? (problem && describeProblem(problem)),
    ),
  }),
)
