declare const canonical: unique symbol

/** A job id in canonical form: a lower-case UUID, or a decimal int64 without leading zeros. */
export type JobId = string & { readonly [canonical]: true }

const UUID = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'
const INTEGER = '0|[1-9][0-9]{0,18}'
const MAX_INT64 = '9223372036854775807'

/** The pattern of a job id for JSON Schema. It does not check the upper limit of an int64; {@link parseJobId} does. */
export const JOB_ID_PATTERN = `^(?:${UUID}|${INTEGER})$`

const JOB_ID = new RegExp(JOB_ID_PATTERN)

/**
 * Converts a job id to its canonical form; `undefined` if it is invalid.
 *
 * The CDF reference says "always UUIDs", but declares the path parameter as int64, so both are accepted.
 * @see https://docs.cognite.com/20230101-alpha/advanced-joins/retrieve-estimate-quality-status
 */
export function parseJobId(text: string): JobId | undefined {
  if (!JOB_ID.test(text)) return undefined
  // As text, because a JS number cannot hold every int64.
  if (text.length === MAX_INT64.length && text > MAX_INT64) return undefined
  return text.toLowerCase() as JobId
}

/** Whether a valid job id is a UUID. */
export function isUuid(jobId: string): boolean {
  return jobId.length === 36
}

/** CDF may respond with the other form of the id (UUID or int64). A different id of the same form is another job. */
export function isSameJob(requested: string, received: string): boolean {
  const id = parseJobId(received)
  return id === undefined || id === requested || isUuid(id) !== isUuid(requested)
}
