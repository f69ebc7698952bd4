import { lasting, SCORES, type SimulatedJob } from '../upstream/simulated-job.ts'

const id = (digit: number) => `${String(digit).repeat(8)}-aaaa-4aaa-8aaa-aaaaaaaaaaaa`

/** One job for each kind of response. */
export const DEMO_JOBS: readonly { title: string; job: SimulatedJob }[] = [
  { title: 'Completed, with scores', job: lasting(id(1), 'Completed', SCORES) },
  {
    title: 'Completed, with one score renamed and one missing',
    job: lasting(id(2), 'Completed', {
      estimatedCorrectnessScorePercent: 91,
      confidencePercent: 0,
    }),
  },
  {
    title: 'Failed, with the reason',
    job: lasting(id(3), 'Failed', {
      errorMessage: "Could not read Raw table 'pump_area_matches' in database 'contextualization'.",
    }),
  },
  { title: 'Queued', job: lasting(id(4), 'Queued') },
  { title: 'Running', job: lasting(id(5), 'Running') },
  { title: 'A status that the service does not know', job: lasting(id(6), 'Paused') },
  {
    title: 'Queued now, Running after 10 s, Completed after 40 s',
    job: {
      jobId: id(7),
      advancedJoinExternalId: 'valve-to-site-direct',
      steps: [
        { afterMs: 0, status: 'Queued' },
        { afterMs: 10_000, status: 'Running' },
        { afterMs: 40_000, status: 'Completed', with: SCORES },
      ],
    },
  },
]

/** A job id that CDF does not know. */
export const UNKNOWN_JOB_ID = id(9)
