declare const canonical: unique symbol

/** A job id in canonical form: a lower-case UUID or a decimal int64 without leading zeros. Text all the way. */
export type JobId = string & { readonly [canonical]: true }

const UUID = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'
const INTEGER = '0|[1-9][0-9]{0,18}'
const MAX_INT64 = '9223372036854775807'

/** The form of a job id, for schemas. It does not hold the upper bound of integers; {@link parseJobId} does. */
export const JOB_ID_PATTERN = `^(?:${UUID}|${INTEGER})$`

const FORM = new RegExp(JOB_ID_PATTERN)
/**
 * As nearly all ids come: in canonical form, so that no copy in lower case has to be made. What is given back may be a part
 * of a URL, which it keeps in memory; as the key of a `Map` it is a text of its own.
 */
const CANONICAL_UUID = new RegExp(`^${UUID.replaceAll('A-F', '')}$`)

/**
 * The canonical form of a job id, or `undefined` if the text is none.
 *
 * The reference calls job ids "always UUIDs" and declares the path parameter int64, so both are accepted. An int64
 * does not fit a JS number, hence the comparison as text: of two numbers with as many digits the greater sorts last.
 *
 * @see https://docs.cognite.com/20230101-alpha/advanced-joins/retrieve-estimate-quality-status
 */
export function parseJobId(text: string): JobId | undefined {
  if (CANONICAL_UUID.test(text)) return text as JobId
  if (!FORM.test(text)) return undefined
  if (text.length === MAX_INT64.length && text > MAX_INT64) return undefined
  return text.toLowerCase() as JobId
}

/** True for the UUID form. */
export function isUuid(jobId: string): boolean {
  return jobId.length === 36
}
