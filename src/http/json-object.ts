/** A JSON object whose members are not checked. */
export type JsonObject = Record<string, unknown>

/** Whether a parsed value is an object, and neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses a JSON object; `undefined` for any other text. The error of `JSON.parse` is dropped, because it quotes the text. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
