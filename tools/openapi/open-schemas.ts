/**
 * Opens the schema of a response for later versions: objects may get further members, so `additionalProperties: false`
 * goes. The service itself sends what the strict schema says; the tests compare its responses with that one.
 */
export function openSchema(schema: object): object {
  return JSON.parse(JSON.stringify(schema), (_key, part: unknown) => {
    if (!isObject(part) || part.additionalProperties !== false) return part
    const { additionalProperties: _, ...open } = part
    return open
  })
}

/**
 * A reference to a named schema. One with an `enum` names the values that are known today: generators make a type of
 * it. The set itself is open, so the reference also allows any other text.
 */
export function referenceTo(name: string, schema: object): object {
  const reference = { $ref: `#/components/schemas/${name}` }
  if (!isObject(schema) || !('enum' in schema)) return reference
  return { anyOf: [reference, { type: 'string' }], description: schema.description }
}

function isObject(part: unknown): part is Record<string, unknown> {
  return typeof part === 'object' && part !== null && !Array.isArray(part)
}
