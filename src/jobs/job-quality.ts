import type { XStatic } from 'typebox/schema'

/** Every status a job can have here. */
export const JOB_STATUSES = ['Queued', 'Running', 'Completed', 'Failed', 'Unknown'] as const

/** Greatest length of an external id of CDF, in characters. */
export const MAX_EXTERNAL_ID_LENGTH = 255
/** Greatest length of any other text taken from CDF, in characters. */
export const MAX_TEXT_LENGTH = 1000

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
  properties: { type: TEXT },
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
  description: 'What CDF estimates of a Completed job.',
} as const

/** What this service promises: every key always present; absent is `null`, never a missing key, never 0. */
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
      description: 'The id asked for, in canonical form: a lower-case UUID or a decimal integer.',
    },
    status: {
      enum: JOB_STATUSES,
      type: 'string',
      description: 'Unknown is a status that CDF introduced later: the job is not done.',
    },
    done: {
      type: 'boolean',
      description: 'True for Completed and Failed only: nothing will change any more.',
    },
    advancedJoinExternalId: orNull(
      { type: 'string', maxLength: MAX_EXTERNAL_ID_LENGTH } as const,
      'The advanced join whose quality was estimated.',
    ),
    matcher: {
      anyOf: [RAW_MATCHER, OTHER_MATCHER, NULL],
      description: 'What the join matched by.',
    },
    scores: orNull(
      JOB_SCORES,
      'An object for Completed only. 0 is a real score, null is no score.',
    ),
    errorMessage: orNull(TEXT, "CDF's text for Failed."),
    createdAt: orNull(INSTANT, 'When the job was created (UTC).'),
    startedAt: orNull(INSTANT, 'When the job began to run (UTC); null while Queued.'),
    statusChangedAt: orNull(INSTANT, 'When the status last changed (UTC).'),
  },
  $id: 'JobQuality',
  additionalProperties: false,
  description: 'The state of one job and, once Completed, its scores.',
} as const

/** One job as callers see it. */
export type JobQuality = XStatic<typeof JOB_QUALITY_SCHEMA>

/** A status as callers see it. */
export type JobStatus = JobQuality['status']
