import type { Static, TSchema } from 'typebox'
import { Type } from 'typebox'

const orNull = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description })

const Percent = Type.Number({ minimum: 0, maximum: 100 })
const Instant = Type.String({ format: 'date-time' })

/** Every status a job can have here. */
export const JOB_STATUSES = ['Queued', 'Running', 'Completed', 'Failed', 'Unknown'] as const

/** Greatest length of an external id of CDF, in characters. */
export const MAX_EXTERNAL_ID_LENGTH = 255
/** Greatest length of any other text taken from CDF, in characters. */
export const MAX_TEXT_LENGTH = 1000

const Column = orNull(
  Type.String({ maxLength: MAX_TEXT_LENGTH }),
  'A column that holds external ids.',
)

const RawMatcher = Type.Object(
  {
    type: Type.Literal('raw'),
    dbName: orNull(Type.String({ maxLength: MAX_TEXT_LENGTH }), 'Database of CDF Raw.'),
    tableName: orNull(Type.String({ maxLength: MAX_TEXT_LENGTH }), 'Table of CDF Raw.'),
    fromColumnKey: Column,
    toColumnKey: Column,
  },
  { $id: 'RawMatcher', additionalProperties: false, description: 'A table of CDF Raw.' },
)
const OtherMatcher = Type.Unsafe<{ type: string; [member: string]: string }>(
  Type.Object(
    { type: Type.String({ maxLength: MAX_TEXT_LENGTH }) },
    {
      $id: 'OtherMatcher',
      additionalProperties: Type.String({ maxLength: MAX_TEXT_LENGTH }),
      description: 'A type that CDF introduced later, with its string members.',
    },
  ),
)

/** What this service promises: every key always present; absent is `null`, never a missing key, never 0. */
export const JobQualitySchema = Type.Object(
  {
    jobId: Type.String({
      description: 'The id asked for, in canonical form: a lower-case UUID or a decimal integer.',
    }),
    status: Type.Enum([...JOB_STATUSES], {
      type: 'string',
      description: 'Unknown is a status that CDF introduced later: the job is not done.',
    }),
    done: Type.Boolean({
      description: 'True for Completed and Failed only: nothing will change any more.',
    }),
    advancedJoinExternalId: orNull(
      Type.String({ maxLength: MAX_EXTERNAL_ID_LENGTH }),
      'The advanced join whose quality was estimated.',
    ),
    matcher: Type.Union([RawMatcher, OtherMatcher, Type.Null()], {
      description: 'What the join matched by.',
    }),
    scores: orNull(
      Type.Object(
        {
          qualityPercent: orNull(
            Percent,
            'Ratio of correctly mapped instances to all mapped instances.',
          ),
          confidencePercent: orNull(Percent, "CDF's confidence in the estimate."),
          contextualizationPercent: orNull(Percent, "CDF's contextualization score."),
        },
        {
          $id: 'JobScores',
          additionalProperties: false,
          description: 'What CDF estimates of a Completed job.',
        },
      ),
      'An object for Completed only. 0 is a real score, null is no score.',
    ),
    errorMessage: orNull(Type.String({ maxLength: MAX_TEXT_LENGTH }), "CDF's text for Failed."),
    createdAt: orNull(Instant, 'When the job was created (UTC).'),
    startedAt: orNull(Instant, 'When the job began to run (UTC); null while Queued.'),
    statusChangedAt: orNull(Instant, 'When the status last changed (UTC).'),
  },
  {
    $id: 'JobQuality',
    additionalProperties: false,
    description: 'The state of one job and, once Completed, its scores.',
  },
)

/** One job as callers see it. */
export type JobQuality = Static<typeof JobQualitySchema>

/** A status as callers see it. */
export type JobStatus = JobQuality['status']
