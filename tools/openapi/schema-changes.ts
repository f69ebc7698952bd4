import { isDeepStrictEqual } from 'node:util'

/** A JSON schema without references, as far as it is compared. */
export interface Schema {
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  enum?: unknown[]
  [keyword: string]: unknown
}

/** Whether callers send or receive what the schema describes. */
export type Direction = 'request' | 'response'

/** Keywords without an effect on programs. */
const ANNOTATIONS = ['title', 'description', 'example', 'examples', 'deprecated']
/** Keywords whose value can be a schema. */
const SUBSCHEMAS = ['items', 'additionalProperties', 'contentSchema', 'not']
const UPPER_LIMITS = ['maximum', 'maxLength', 'maxItems']
const LOWER_LIMITS = ['minimum', 'minLength', 'minItems']

/**
 * Lists the changes of a schema that break callers. Every change counts, except for further members, further values of
 * an open set, and limits that allow more in a request or promise more about a response.
 * @param path of the schema, for the messages
 */
export function schemaChanges(
  before: Schema,
  after: Schema,
  direction: Direction,
  path: string,
): string[] {
  const known = openSet(before)
  const knownAfter = openSet(after)
  if (known && knownAfter) {
    const removed = known.filter((value) => !knownAfter.includes(value))
    return removed.map((value) => `${path}: the value ${value} is gone`)
  }
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keywords].flatMap((keyword) => {
    const [old, next] = [before[keyword], after[keyword]]
    if (ANNOTATIONS.includes(keyword) || isDeepStrictEqual(old, next)) return []
    if (keyword === 'properties') return memberChanges(before, after, direction, path)
    if (keyword === 'required') {
      const lost = before.required?.filter((name) => !after.required?.includes(name)) ?? []
      return lost.map((name) => `${path}.${name}: no longer always present`)
    }
    if (keyword === 'anyOf' && before.anyOf?.length === after.anyOf?.length) {
      return (before.anyOf ?? []).flatMap((variant, index) =>
        schemaChanges(variant, after.anyOf?.[index] ?? {}, direction, path),
      )
    }
    if (SUBSCHEMAS.includes(keyword) && isSchema(old) && isSchema(next)) {
      return schemaChanges(old, next, direction, `${path} (${keyword})`)
    }
    return allows(keyword, old, next, direction) ? [] : [`${path}: ${keyword} has changed`]
  })
}

function memberChanges(before: Schema, after: Schema, direction: Direction, path: string) {
  return Object.entries(before.properties ?? {}).flatMap(([name, schema]) => {
    const next = after.properties?.[name]
    return next
      ? schemaChanges(schema, next, direction, `${path}.${name}`)
      : [`${path}.${name}: is gone`]
  })
}

/** The known values of a set that may grow: any text is allowed besides them. */
function openSet({ anyOf = [] }: Schema): unknown[] | undefined {
  const [known, other] = anyOf
  return anyOf.length === 2 && isDeepStrictEqual(other, { type: 'string' })
    ? known?.enum
    : undefined
}

/** Whether another limit breaks no caller. */
function allows(keyword: string, old: unknown, next: unknown, direction: Direction): boolean {
  const isUpper = UPPER_LIMITS.includes(keyword)
  if (!isUpper && !LOWER_LIMITS.includes(keyword)) return false
  const none = isUpper ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  const [from, to] = [old ?? none, next ?? none] as [number, number]
  return isUpper === (direction === 'request') ? to >= from : to <= from
}

function isSchema(part: unknown): part is Schema {
  return typeof part === 'object' && part !== null && !Array.isArray(part)
}
