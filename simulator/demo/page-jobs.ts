import type { JobStep, SimulatedJob } from '../upstream/simulated-job.ts'

/** A job that the demo page shows. */
export interface DemoPageJob {
  jobId: string
  title: string
  /** What the job demonstrates. */
  scenario: string
}

/** A row of the page; CDF does not know the job if there is none to simulate. */
interface Row extends Omit<DemoPageJob, 'jobId'> {
  simulated?: Omit<SimulatedJob, 'jobId'>
}

const QUEUED: JobStep = { afterMs: 0, status: 'Queued' }

const ROWS: readonly Row[] = [
  {
    title: 'All scores',
    scenario: 'Completes with all three scores.',
    simulated: {
      advancedJoinExternalId: 'pump-to-area',
      steps: [
        QUEUED,
        { afterMs: 3_000, status: 'Running' },
        {
          afterMs: 10_000,
          status: 'Completed',
          with: {
            qualityScorePercent: 92.4,
            confidencePercent: 84.75,
            contextualizationScorePercent: 71.04,
          },
        },
      ],
    },
  },
  {
    title: 'Renamed field',
    scenario: 'CDF returns the quality score under another name and omits one score.',
    simulated: {
      advancedJoinExternalId: 'valve-to-site',
      steps: [
        QUEUED,
        { afterMs: 5_000, status: 'Running' },
        {
          afterMs: 13_000,
          status: 'Completed',
          with: { estimatedCorrectnessScorePercent: 64.2, confidencePercent: 58.9 },
        },
      ],
    },
  },
  {
    title: 'Zero',
    scenario: 'Completes with a score of 0 %, which is not a missing score.',
    simulated: {
      advancedJoinExternalId: 'sensor-to-asset',
      steps: [
        QUEUED,
        { afterMs: 4_000, status: 'Running' },
        {
          afterMs: 15_000,
          status: 'Completed',
          with: {
            qualityScorePercent: 0,
            confidencePercent: 12.5,
            contextualizationScorePercent: 31,
          },
        },
      ],
    },
  },
  {
    title: 'No scores',
    scenario: 'Completes, but CDF returns no scores.',
    simulated: {
      advancedJoinExternalId: 'motor-to-line',
      steps: [
        QUEUED,
        { afterMs: 6_000, status: 'Running' },
        { afterMs: 17_000, status: 'Completed' },
      ],
    },
  },
  {
    title: 'Failure',
    scenario: 'Fails, with the reason as the message.',
    simulated: {
      advancedJoinExternalId: 'tank-to-unit',
      steps: [
        QUEUED,
        { afterMs: 2_000, status: 'Running' },
        {
          afterMs: 12_000,
          status: 'Failed',
          with: { errorMessage: "Could not read Raw table 'tank_unit' in database 'plant'." },
        },
      ],
    },
  },
  {
    title: 'New status',
    scenario: 'Goes through a status that the service does not know, then completes.',
    simulated: {
      advancedJoinExternalId: 'meter-to-loop',
      steps: [
        QUEUED,
        { afterMs: 7_000, status: 'Paused' },
        {
          afterMs: 20_000,
          status: 'Completed',
          with: {
            qualityScorePercent: 81.5,
            confidencePercent: 77,
            contextualizationScorePercent: 39.9,
          },
        },
      ],
    },
  },
  { title: 'Unknown job', scenario: 'A job id that CDF does not know.' },
]

/** Creates one job with a new id for each row; all of them are done after 20 s. */
export function newDemoPageJobs(): { shown: DemoPageJob; simulated: SimulatedJob | undefined }[] {
  return ROWS.map(({ title, scenario, simulated }) => {
    const jobId = crypto.randomUUID()
    return { shown: { jobId, title, scenario }, simulated: simulated && { jobId, ...simulated } }
  })
}
