export type {
  JobMatcher,
  JobProblem,
  JobQuality,
  JobScores,
  JobStatus,
  JobUpdate,
  Problem,
  ProblemCode,
} from './contract.ts'
export { isFinal } from './contract.ts'
export type { Client, ClientOptions, RequestOptions } from './create-client.ts'
export { createClient } from './create-client.ts'
export type { FollowOptions } from './follow-jobs.ts'
export { ProblemError } from './problem-error.ts'
export type { TokenSource } from './send-request.ts'
export type { Timing } from './timing.ts'
export type { OnRetry, WaitOptions } from './wait-until-done.ts'
