import type { JobStep, SimulatedJob } from './simulated-job.ts'

/** A job as the demo page shows it. */
export interface DemoPageJob {
  jobId: string
  /** What the job is there to show … */
  title: string
  /** … and what happens in it. */
  story: string
}

/** What becomes of a job; without a join, CDF does not know it. */
interface Fate extends Omit<DemoPageJob, 'jobId'> {
  join?: Omit<SimulatedJob, 'jobId'>
}

const QUEUED: JobStep = { afterMs: 0, status: 'Queued' }

const FATES: readonly Fate[] = [
  {
    title: 'All is well',
    story: 'Completes with every score.',
    join: {
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
    story: 'CDF calls the quality by another name and leaves a score out.',
    join: {
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
    story: '0 % is a score like any other.',
    join: {
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
    story: 'Completes, and CDF gives none.',
    join: {
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
    story: 'Ends with its reason instead of a spinner.',
    join: {
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
    title: 'New state',
    story: 'CDF says a word that nobody knows, and completes later.',
    join: {
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
  { title: 'Unknown job', story: 'An id that CDF does not have.' },
]

/** New jobs, one for each fate; the last one is over after 20 s. */
export function newDemoPageJobs(): { shown: DemoPageJob; simulated: SimulatedJob | undefined }[] {
  return FATES.map(({ title, story, join }) => {
    const jobId = crypto.randomUUID()
    return { shown: { jobId, title, story }, simulated: join && { jobId, ...join } }
  })
}
