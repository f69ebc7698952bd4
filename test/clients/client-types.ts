/** The types of the client package must match those that a generator makes of the contract. This file must compile. */
import type {
  JobMatcher,
  JobProblem,
  JobQuality,
  JobScores,
  JobStatus,
  JobUpdate,
  Problem,
  ProblemCode,
} from '../../client/src/index.ts'
import type { JobStatus as KnownStatus } from '../../src/jobs/job-quality.ts'
import type { ProblemCode as KnownCode } from '../../src/problems/problem-types.ts'
import type { components } from './generated/openapi-fetch.ts'

type Schemas = components['schemas']

/** True if both types are the same, else `never`. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
type SameMembers<A, B> = Same<keyof A, keyof B>
/** The members of an open set that the types name. */
type Named<Value extends string> = Value extends string
  ? string extends Value
    ? never
    : Value
  : never
/** The codes that only the client package produces. */
type ClientCode = 'connection-failed' | 'unexpected-response'
/** Without an index signature. */
type RawMember = Exclude<keyof Schemas['RawMatcher'], 'type'>

export const sameMembers: [
  SameMembers<JobQuality, Schemas['JobQuality']>,
  SameMembers<JobScores, Schemas['JobScores']>,
  SameMembers<Problem, Schemas['Problem']>,
  SameMembers<NonNullable<Problem['upstream']>, Schemas['UpstreamAnswer']>,
  SameMembers<JobUpdate, Schemas['JobQualityListItem']>,
  Same<JobMatcher[RawMember], string | null | undefined>,
] = [true, true, true, true, true, true]

export const sameOpenSets: [
  Same<Named<JobStatus>, KnownStatus>,
  Same<Named<ProblemCode>, KnownCode | ClientCode>,
] = [true, true]

/** Each value that the contract allows is a value of the client's types. */
export function accepted(
  quality: Schemas['JobQuality'],
  { jobId, ...problem }: Schemas['JobProblem'],
): [JobQuality, JobProblem, string] {
  return [quality, problem, jobId]
}
