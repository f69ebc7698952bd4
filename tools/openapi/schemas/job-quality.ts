import type { JobQuality } from '../../../src/jobs/job-quality.ts'
import { MAX_EXTERNAL_ID_LENGTH, MAX_TEXT_LENGTH } from '../../../src/jobs/job-quality.ts'
import type { Describes } from './describes.ts'

const TEXT = { type: 'string', maxLength: MAX_TEXT_LENGTH } as const
const PERCENT = { type: 'number', minimum: 0, maximum: 100 } as const
const INSTANT = { type: 'string', format: 'date-time' } as const
const NULL = { type: 'null' } as const

const orNull = <Schema extends object>(schema: Schema, description: string) =>
  ({ anyOf: [schema, NULL], description }) as const

const COLUMN = orNull(TEXT, 'A column that holds external ids.')

const RAW_MATCHER = {
  type: 'object',
  required: ['type', 'dbName', 'tableName', 'fromColumnKey', 'toColumnKey'],
  properties: {
    type: { type: 'string', const: 'raw' },
    dbName: orNull(TEXT, 'Database of CDF Raw.'),
    tableName: orNull(TEXT, 'Table of CDF Raw.'),
    fromColumnKey: COLUMN,
    toColumnKey: COLUMN,
  },
  $id: 'RawMatcher',
  additionalProperties: false,
  description: 'A table of CDF Raw.',
} as const
const OTHER_MATCHER = {
  type: 'object',
  required: ['type'],
  properties: { type: { ...TEXT, not: { const: 'raw' } } },
  $id: 'OtherMatcher',
  additionalProperties: TEXT,
  description: 'A type that CDF introduced later, with its string members.',
} as const
const JOB_SCORES = {
  type: 'object',
  required: ['qualityPercent', 'confidencePercent', 'contextualizationPercent'],
  properties: {
    qualityPercent: orNull(PERCENT, 'Ratio of correctly mapped instances to all mapped instances.'),
    confidencePercent: orNull(PERCENT, "CDF's confidence in the estimate."),
    contextualizationPercent: orNull(PERCENT, "CDF's contextualization score."),
  },
  $id: 'JobScores',
  additionalProperties: false,
  description: "CDF's estimates for a Completed job.",
} as const

/** The schema of {@link JobQuality}. */
export const JOB_QUALITY_SCHEMA = {
  type: 'object',
  required: [
    'jobId',
    'status',
    'done',
    'advancedJoinExternalId',
    'matcher',
    'scores',
    'errorMessage',
    'createdAt',
    'startedAt',
    'statusChangedAt',
  ],
  properties: {
    jobId: {
      type: 'string',
      description: 'The requested id, in canonical form: a lower-case UUID or a decimal integer.',
    },
    status: {
      enum: ['Queued', 'Running', 'Completed', 'Failed', 'Unknown'],
      $id: 'JobStatus',
      type: 'string',
      description:
        '`Unknown` stands for a status that CDF introduced later. A job with such a status is not done. Treat a status that you do not know in the same way.',
    },
    done: {
      type: 'boolean',
      description:
        'True for Completed and Failed only. A done job keeps its status. Its other members do not change either, with one exception: see `scores`.',
    },
    advancedJoinExternalId: orNull(
      { type: 'string', maxLength: MAX_EXTERNAL_ID_LENGTH } as const,
      'The advanced join whose quality is estimated.',
    ),
    matcher: {
      anyOf: [RAW_MATCHER, OTHER_MATCHER, NULL],
      description: 'How the join matches.',
    },
    scores: orNull(
      JOB_SCORES,
      'An object if Completed, else null. 0 is a real score; null means no score. A Completed job without a single score is read again after a minute, and may then have scores.',
    ),
    errorMessage: orNull(TEXT, "CDF's text if Failed, else null."),
    createdAt: orNull(INSTANT, 'When the job was created (UTC).'),
    startedAt: orNull(INSTANT, 'When the job started (UTC); null while Queued.'),
    statusChangedAt: orNull(INSTANT, 'When the status last changed (UTC).'),
  },
  $id: 'JobQuality',
  additionalProperties: false,
  description: 'The state of one job and, once Completed, its scores.',
} as const

true satisfies Describes<typeof JOB_QUALITY_SCHEMA, JobQuality>
